use super::{atomic::*, *};
use serde_json::json;

#[test]
fn host_paths_are_what_they_are_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    let check = |name: &str, kind: &str, expected: Result<(), &str>| {
        let path = if name.starts_with('/') { name.into() } else { directory.path().join(name) };
        let found = host_path::prepare(&path, kind).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(|what| format!("hostPath type check failed: {} is not {what}", path.display())));
    };
    check("absent", "", Ok(()));
    check("absent", "Directory", Err("a directory"));
    check("absent", "File", Err("a file"));
    check("absent", "Socket", Err("a socket file"));
    check("file", "Directory", Err("a directory"));
    check("file", "DirectoryOrCreate", Err("a directory"));
    check("file", "File", Ok(()));
    check("file", "FileOrCreate", Ok(()));
    check("socket", "Socket", Ok(()));
    check("socket", "File", Err("a file"));
    check("/dev/null", "CharDevice", Ok(()));
    check("/dev/null", "BlockDevice", Err("a block device"));
    check("a/b", "DirectoryOrCreate", Ok(()));
    check("a/b", "Directory", Ok(()));
    check("a/c", "FileOrCreate", Ok(()));
    check("a/c", "File", Ok(()));
}

#[test]
fn places_follow_from_the_pod() {
    let check = |source: serde_json::Value, expected: &str| {
        let mut volume = source;
        volume["name"] = "v".into();
        let volume: Volume = serde_json::from_value(volume).unwrap();
        assert_eq!(place(Path::new("/pods/u1"), &volume), Path::new(expected));
    };
    check(json!({"hostPath": {"path": "/var/log"}}), "/var/log");
    check(json!({"emptyDir": {}}), "/pods/u1/volumes/kubernetes.io~empty-dir/v");
    check(json!({"projected": {"sources": []}}), "/pods/u1/volumes/kubernetes.io~projected/v");
}

fn payload(files: &[(&str, &str, u32)]) -> Payload {
    files.iter().map(|(path, content, mode)| (PathBuf::from(path), File { content: (*content).into(), mode: *mode })).collect()
}

#[test]
fn files_change_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    assert!(write(place.path(), &payload(&[("a", "1", 0o600), ("d/b", "2", 0o644)])).unwrap());
    assert_eq!((fs::read_to_string(at("a")).unwrap(), fs::read_to_string(at("d/b")).unwrap()), ("1".into(), "2".into()));
    assert_eq!(fs::metadata(at("a")).unwrap().permissions().mode() & 0o777, 0o600);
    let version = fs::read_link(at("..data")).unwrap();
    assert!(!write(place.path(), &payload(&[("a", "1", 0o600), ("d/b", "2", 0o644)])).unwrap());
    assert_eq!(fs::read_link(at("..data")).unwrap(), version);
    assert!(write(place.path(), &payload(&[("a", "3", 0o644)])).unwrap());
    assert_eq!(fs::read_to_string(at("a")).unwrap(), "3");
    assert!(!at("d").exists() && !place.path().join(version).exists());
    assert!(write(place.path(), &Payload::new()).unwrap());
    assert!(fs::symlink_metadata(at("a")).is_err());
}

#[test]
fn sub_paths_stay_within_their_volume() {
    let volume = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(volume.path()).unwrap();
    fs::write(root.join("file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", root.join("out")).unwrap();
    std::os::unix::fs::symlink("file", root.join("in")).unwrap();
    let check = |path: &str, expected: Option<&str>| {
        let found = sub_path::resolve(&root, path).ok();
        assert_eq!(found, expected.map(|place| root.join(place)), "{path}");
    };
    check("file", Some("file"));
    check("in", Some("file"));
    check("new/er", Some("new/er"));
    check("out", None);
    check("out/passwd", None);
    check("../x", None);
    check("/etc", None);
    assert!(root.join("new/er").is_dir());
}

#[test]
fn a_pods_directory_goes_with_all_that_is_below() {
    let directory = tempfile::tempdir().unwrap();
    let pod_dir = directory.path().join("u1");
    fs::create_dir_all(pod_dir.join("volumes/x")).unwrap();
    fs::write(pod_dir.join("etc-hosts"), "").unwrap();
    tear_down(&pod_dir, false).unwrap();
    assert!(pod_dir.join("etc-hosts").exists() && !pod_dir.join("volumes").exists());
    tear_down(&pod_dir, true).unwrap();
    tear_down(&pod_dir, true).unwrap();
    assert!(!pod_dir.exists());
}
