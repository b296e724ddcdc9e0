use super::*;
use serde_json::json;

fn pod(resources: serde_json::Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"uid": "u1"}, "spec": {"containers": [{"name": "c", "resources": resources}]}}))
        .unwrap()
}

#[test]
fn pods_live_below_their_class() {
    let cgroups = Cgroups::at(Path::new("/nowhere"), "/garrison/n1/");
    let check = |resources, path| assert_eq!(cgroups.of_pod(&pod(resources)), path);
    check(json!({}), "/garrison/n1/kubepods/besteffort/podu1");
    check(json!({"requests": {"cpu": "1"}}), "/garrison/n1/kubepods/burstable/podu1");
    check(json!({"limits": {"cpu": "1", "memory": "1Mi"}}), "/garrison/n1/kubepods/podu1");
}

#[test]
fn settings_are_in_the_kernels_words() {
    let amounts = Amounts { cpu_shares: 1024, cpu_quota: 50_000, memory_limit: 1 << 30 };
    let words = |list: Vec<Setting>| list.iter().map(|(file, value, _)| format!("{file}={value}")).collect::<Vec<_>>().join(" ");
    assert_eq!(words(unified_settings(amounts)), "cpu.weight=39 cpu.max=50000 100000 memory.max=1073741824");
    assert_eq!(words(unified_settings(Amounts::default())), "cpu.weight=1 cpu.max=max 100000 memory.max=max");
    assert_eq!(
        words(legacy_settings(Amounts { cpu_quota: 0, memory_limit: 0, ..amounts })),
        "cpu.shares=1024 cpu.cfs_period_us=100000 cpu.cfs_quota_us=-1 memory.limit_in_bytes=-1"
    );
}

#[tokio::test]
async fn the_old_hierarchies_get_their_files_and_lose_their_directories() {
    let mount = tempfile::tempdir().unwrap();
    for controller in ["cpu", "memory"] {
        let directory = mount.path().join(controller).join("g/kubepods/burstable/podu1");
        fs::create_dir_all(&directory).unwrap();
    }
    let limit = mount.path().join("memory/g/kubepods/burstable/podu1/memory.limit_in_bytes");
    fs::write(&limit, "").unwrap();
    let cgroups = Cgroups::at(mount.path(), "/g");
    let pod = pod(json!({"requests": {"cpu": "1"}, "limits": {"memory": "2Mi"}}));
    cgroups.make(&pod, crate::resources::of_pod(&pod)).unwrap();
    assert_eq!(fs::read_to_string(&limit).unwrap(), "2097152");
    // In a real hierarchy the kernel's files vanish with their directory.
    fs::remove_file(&limit).unwrap();
    fs::create_dir(limit.with_file_name("container")).unwrap();
    cgroups.remove("u1").await.unwrap();
    assert!(!limit.parent().unwrap().exists());
}
