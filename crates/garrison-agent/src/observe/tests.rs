use super::*;

fn container(directory: &Path, exit_code: i32, policy: &str) -> Container {
    let file = directory.join("message").display().to_string();
    Container {
        id: "c1".into(),
        sandbox_id: "s1".into(),
        pod_uid: "u1".into(),
        name: "c".into(),
        attempt: 0,
        state: ContainerState::Exited,
        image: "sha256:1".into(),
        image_ref: "r".into(),
        created_at: 1_000_000_000,
        started_at: 0,
        finished_at: 3_000_000_000,
        exit_code,
        reason: String::new(),
        message: "runtime".into(),
        log_path: directory.join("log").display().to_string(),
        annotations: [
            (annotation::IMAGE.to_owned(), "wanted:1".to_owned()),
            (annotation::TERMINATION_FILE.to_owned(), file),
            (annotation::TERMINATION_POLICY.to_owned(), policy.to_owned()),
        ]
        .into(),
    }
}

#[test]
fn last_words_come_from_the_file_then_the_log_then_the_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let check = |exit_code, policy, expected: &str| {
        assert_eq!(termination_message(&container(directory.path(), exit_code, policy)), expected, "{exit_code} {policy}");
    };
    check(1, "FallbackToLogsOnError", "");
    fs::write(directory.path().join("log"), "t stdout F one two\nt stderr F three\n").unwrap();
    check(1, "FallbackToLogsOnError", "one two\nthree");
    check(0, "FallbackToLogsOnError", "runtime");
    check(1, "File", "runtime");
    fs::write(directory.path().join("message"), "own").unwrap();
    check(1, "FallbackToLogsOnError", "own");
    check(0, "File", "own");
}

#[test]
fn a_container_is_understood_by_its_annotations() {
    let directory = tempfile::tempdir().unwrap();
    let pods = sort(Vec::new(), vec![container(directory.path(), 3, "File")], &mut HashMap::new());
    let seen = &pods["u1"].containers[0];
    assert_eq!((seen.image.as_str(), seen.exit_code, seen.started_at), ("wanted:1", 3, None));
    assert_eq!(seen.finished_at, Timestamp::from_second(3).ok());
}

#[test]
fn the_end_of_a_text_is_cut_between_characters() {
    assert_eq!(last_bytes("aéb", 2), "b");
    assert_eq!(last_bytes("aéb", 3), "éb");
    assert_eq!(last_bytes("ab", 9), "ab");
}
