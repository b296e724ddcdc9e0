use super::*;
use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

#[test]
fn names_of_imported_images() {
    #[track_caller]
    fn check(output: &str, expected: &[&str]) {
        assert_eq!(imported(output), expected);
    }
    check("", &[]);
    check("unpacking garrison.local/pause:0.1.0 (sha256:ab12)...done\n", &["garrison.local/pause:0.1.0"]);
    check("unpacking a/b:1 (sha256:1)...done\nunpacking a/c:2 (sha256:2)...done\n", &["a/b:1", "a/c:2"]);
    check("something else\n", &[]);
}

#[test]
fn what_is_current() {
    #[track_caller]
    fn check(size: u64, modified: i128, present: &[&str], expected: bool) {
        let entry = Entry { size: 10, modified: 20, images: vec!["a:1".into(), "b:1".into()] };
        let present = present.iter().map(ToString::to_string).collect();
        assert_eq!(is_current(&entry, size, modified, &present), expected);
    }
    check(10, 20, &["a:1", "b:1", "c:1"], true);
    check(10, 20, &["a:1"], false);
    check(11, 20, &["a:1", "b:1"], false);
    check(10, 21, &["a:1", "b:1"], false);
}

#[test]
fn noticed_by_the_cri_service() {
    let table = "REF   TYPE   DIGEST   SIZE   PLATFORMS   LABELS\n\
                 a:1   x      sha256:1 1 KiB  linux/amd64 io.cri-containerd.image=managed \n\
                 b:1   x      sha256:2 1 KiB  linux/amd64 -                               \n";
    #[track_caller]
    fn check(table: &str, image: &str, expected: bool) {
        assert_eq!(is_noticed(table, image), expected, "{image}");
    }
    check(table, "a:1", true);
    check(table, "b:1", false);
    check(table, "c:1", false);
}

#[test]
fn complaints_of_ctr() {
    #[track_caller]
    fn check(stderr: &str, expected: &str) {
        let output = Output { status: ExitStatus::from_raw(256), stdout: Vec::new(), stderr: stderr.into() };
        assert_eq!(complaint(&output), expected);
    }
    check("ctr: unrecognized image format\n", "unrecognized image format");
    check("warning\n\nctr: rpc error\n\n", "rpc error");
    check("", "no reason given");
}

#[test]
fn failures_name_their_files() {
    let failures = vec![("/i/a.tar".into(), "unrecognized image format".into()), ("/i/b.tar".into(), "no reason given".into())];
    let error = Error::Unreadable { loaded: Vec::new(), failures };
    assert_eq!(error.to_string(), "cannot load image /i/a.tar: unrecognized image format; image /i/b.tar: no reason given");
}
