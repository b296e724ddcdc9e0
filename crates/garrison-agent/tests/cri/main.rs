//! The agent's door to a real containerd, started in namespaces of its own.
#![allow(clippy::unwrap_used, reason = "in a test, it is an assertion")]

mod api;
mod archive;
mod kubectl;
mod machine;
mod pod;
mod websocket;

use futures::TryStreamExt as _;
use garrison_agent::{
    cri::{self, Cri},
    image_directory, log,
    runtime::{Container, ContainerSpec, ContainerState, Mount, Propagation, Runtime, RuntimeError},
};
use machine::Machine;
use pod::Pod;
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

const PAUSE: &str = "garrison.local/pause:test";
const BUSYBOX: &str = "garrison.local/busybox:test";
/// For the whole of it: minutes mean that something hangs.
const DEADLINE: Duration = Duration::from_secs(360);

#[test]
fn containerd_does_what_the_agent_asks() {
    match machine::what_is_missing() {
        None => machine::run_inside("inside_the_machine"),
        Some(why) => eprintln!("SKIPPED containerd_does_what_the_agent_asks: {why}"),
    }
}

#[test]
#[ignore = "runs within the machine that the other test makes"]
fn inside_the_machine() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut machine = Machine::set_up();
    runtime.block_on(async {
        timeout(DEADLINE, scenario(&mut machine)).await.expect("everything is done in time");
    });
}

async fn scenario(machine: &mut Machine) {
    let cri = Arc::new(cri::connect(&machine.socket()).unwrap());
    let absent = cri.version().await;
    assert!(
        matches!(&absent, Err(RuntimeError::Unreachable { source, .. }) if source.to_string().contains("No such file")),
        "{absent:?}"
    );
    machine.start_containerd(PAUSE);
    until("containerd answers", async || cri.version().await.is_ok()).await;
    assert_eq!(cri.version().await.unwrap().name, "containerd");
    images(machine, &cri).await;
    network_comes(machine, &cri).await;
    containers(machine, &cri).await;
    endings(machine, &cri).await;
    propagation(machine, &cri).await;
    kubectl::sessions(machine, Arc::clone(&cri)).await;
    restart(machine, &cri).await;
}

/// Waits for something that becomes true by itself.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn images(machine: &Machine, cri: &Cri) {
    let (dir, record) = (machine.make_dir("images"), machine.dir.join("images.json"));
    archive::write(&dir.join("pause.tar"), PAUSE, &["/bin/sleep", "1000000"], "", &machine.make_dir("scratch/pause"));
    archive::write(&dir.join("busybox.tar"), BUSYBOX, &["/bin/sh"], "1234:5678", &machine.make_dir("scratch/busybox"));
    fs::write(dir.join("broken.tar"), "this is no archive").unwrap();
    fs::write(dir.join("README"), "this is not meant to be one").unwrap();
    let load = async || image_directory::load(&machine.socket(), &dir, &record).await;

    let Err(image_directory::Error::Unreadable { loaded, failures }) = load().await else { panic!("one is broken") };
    assert_eq!(loaded, [BUSYBOX, PAUSE]);
    assert_eq!(failures[0].0, dir.join("broken.tar"));
    assert!(!failures[0].1.is_empty());
    fs::remove_file(dir.join("broken.tar")).unwrap();
    assert_eq!(load().await.unwrap(), [BUSYBOX, PAUSE]);
    for image in [BUSYBOX, PAUSE] {
        let id = cri.image_id(image).await.unwrap().expect("the runtime has noticed what was loaded");
        assert_eq!(cri.image_id(&id).await.unwrap(), Some(id), "also by its id");
    }
    assert_eq!(cri.image_id("garrison.local/other:1").await.unwrap(), None);
    assert_eq!(cri.image_user(BUSYBOX).await.unwrap(), (Some(1234), String::new()));
    // What is gone from the runtime is loaded again; what is there is left alone, which shows in its file not being read.
    let socket = machine.socket();
    machine::run("ctr", &["-a", socket.trim_start_matches("unix://"), "-n", "k8s.io", "images", "rm", "--sync", BUSYBOX]);
    let (pause, modified) = (dir.join("pause.tar"), fs::metadata(dir.join("pause.tar")).unwrap().modified().unwrap());
    let good = fs::read(&pause).unwrap();
    fs::write(&pause, vec![0; good.len()]).unwrap();
    fs::File::options().write(true).open(&pause).unwrap().set_modified(modified).unwrap();
    assert_eq!(load().await.unwrap(), [BUSYBOX, PAUSE]);
    assert!(cri.image_id(BUSYBOX).await.unwrap().is_some());
}

async fn network_comes(machine: &Machine, cri: &Cri) {
    let status = cri.status().await.unwrap();
    assert_eq!(status.runtime, Ok(()));
    let why = status.network.expect_err("there is no configuration yet");
    assert!(why.contains("NetworkPluginNotReady") && why.contains("cni plugin not initialized"), "{why}");
    let refused = cri.run_sandbox(&Pod::new(machine, "early").sandbox).await;
    assert!(matches!(&refused, Err(RuntimeError::Refused { operation: "run sandbox", .. })), "{refused:?}");
    machine.write_network();
    until("the network is ready", async || cri.status().await.unwrap().network.is_ok()).await;
}

async fn containers(machine: &Machine, cri: &Cri) {
    let shared = machine.make_dir("shared");
    fs::write(shared.join("told"), "by the host\n").unwrap();
    let mut pod = Pod::new(machine, "worker");
    pod.sandbox.hostname = "worker-host".into();
    pod.start(cri).await;
    let sandbox = cri.sandboxes().await.unwrap().into_iter().find(|sandbox| sandbox.id == pod.id).unwrap();
    assert!(sandbox.ready && sandbox.ips.len() == 1 && sandbox.ips[0].starts_with("10.77.0."), "{sandbox:?}");
    assert_eq!((sandbox.namespace.as_str(), sandbox.name.as_str(), sandbox.uid.as_str()), ("tests", "worker", "uid-worker"));

    let mount = |container_path: &str, readonly| Mount {
        host_path: shared.to_str().unwrap().into(),
        container_path: container_path.into(),
        readonly,
        ..Mount::default()
    };
    let spec = ContainerSpec {
        mounts: vec![mount("/rw", false), mount("/ro", true)],
        env: vec![("GREETING".into(), "hello".into())],
        memory_limit: 64 << 20,
        cpu_shares: 102,
        run_as_user: Some(0),
        drop_capabilities: vec!["ALL".into()],
        add_capabilities: vec!["NET_BIND_SERVICE".into()],
        no_new_privs: true,
        seccomp: "RuntimeDefault".into(),
        ..pod.container("main", "echo out; echo err >&2; sleep 1000000")
    };
    let id = pod.run(cri, &spec).await;
    let container = observed(cri, &id).await;
    assert_eq!((container.state, container.name.as_str(), container.attempt), (ContainerState::Running, "main", 0));
    assert_eq!((container.pod_uid.as_str(), &container.sandbox_id), ("uid-worker", &pod.id));
    assert_eq!(container.image, BUSYBOX);
    assert!(container.started_at >= container.created_at && container.created_at > 0 && container.finished_at == 0);
    assert_eq!(container.annotations["example.org/note"], "kept");

    let shell = async |script: &str| {
        let output = cri.exec(&id, &["sh", "-c", script].map(String::from), Duration::from_secs(20)).await.unwrap();
        (output.exit_code, String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let good = |text: &str| (0, text.to_owned(), String::new());
    assert_eq!(shell("echo $GREETING; hostname; cat /ro/told").await, good("hello\nworker-host\nby the host\n"));
    assert_eq!(shell("echo more >> /rw/told && cat /ro/told").await, good("by the host\nmore\n"));
    let (code, _, complaint) = shell("touch /ro/new").await;
    assert!(code != 0 && complaint.contains("Read-only"), "{complaint}");
    assert_eq!(shell("exit 7").await.0, 7);
    // NET_BIND_SERVICE is bit 10; 2 means that system calls are filtered.
    assert_eq!(
        shell("grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status").await,
        good("CapEff:\t0000000000000400\nNoNewPrivs:\t1\nSeccomp:\t2\n")
    );
    assert_eq!(memory_limit(machine, &id), "67108864");
    let late = cri.exec(&id, &["sleep", "100"].map(String::from), Duration::from_millis(200)).await;
    assert!(late.is_err(), "{late:?}");

    let log = Path::new(&container.log_path);
    until("both lines are logged", async || shown(log).await.len() == 8).await;
    assert!(["out\nerr\n", "err\nout\n"].contains(&shown(log).await.as_str()));
    rotation(machine, cri, &id, log).await;
    pod.remove(cri).await;
}

/// As the kernel sees it: in whatever hierarchy the machine has.
fn memory_limit(machine: &Machine, id: &str) -> String {
    let below = format!("{}/{id}", machine.cgroup.trim_start_matches('/'));
    let v1 = Path::new("/sys/fs/cgroup/memory").join(&below).join("memory.limit_in_bytes");
    let v2 = Path::new("/sys/fs/cgroup").join(&below).join("memory.max");
    fs::read_to_string(&v1).or_else(|_| fs::read_to_string(v2)).unwrap().trim().to_owned()
}

async fn shown(path: &Path) -> String {
    let lines = log::read(path, log::Options::default(), || false).await.unwrap();
    String::from_utf8(lines.try_collect::<Vec<_>>().await.unwrap().concat()).unwrap()
}

/// A real runtime reopens its log, and followers miss nothing.
async fn rotation(machine: &Machine, cri: &Cri, id: &str, log: &Path) {
    let policy = log::Policy { max_bytes: 1, max_files: 3 };
    let rotated = log::rotate_once(&machine.dir.join("log"), cri, policy, jiff::Timestamp::now()).await.unwrap();
    assert_eq!(rotated, [log]);
    let say = ["sh", "-c", "echo after > /proc/1/fd/1"].map(String::from);
    assert_eq!(cri.exec(id, &say, Duration::from_secs(20)).await.unwrap().exit_code, 0);
    until("the new log is written", async || fs::read_to_string(log).is_ok_and(|text| text.ends_with(" stdout F after\n"))).await;
    assert!(shown(log).await.ends_with("after\n"));
    assert_eq!(shown(log).await.len(), 14, "what was rotated away is still shown");
}

async fn observed(cri: &Cri, id: &str) -> Container {
    cri.containers().await.unwrap().into_iter().find(|container| container.id == id).expect("the container is listed")
}

async fn endings(machine: &Machine, cri: &Cri) {
    let mut pod = Pod::new(machine, "endings");
    pod.sandbox.host_network = true;
    pod.start(cri).await;
    let sandbox = cri.sandboxes().await.unwrap().into_iter().find(|sandbox| sandbox.id == pod.id).unwrap();
    assert!(sandbox.ips.is_empty(), "a pod on the host's network has no address of its own: {:?}", sandbox.ips);
    let ended = async |spec: ContainerSpec| {
        let id = pod.run(cri, &spec).await;
        until("the container ends", async || observed(cri, &id).await.state == ContainerState::Exited).await;
        observed(cri, &id).await
    };
    let good = ended(pod.container("good", "true")).await;
    assert_eq!((good.exit_code, good.reason.as_str()), (0, "Completed"));
    // A container may end before containerd has noted that it started.
    assert!(good.finished_at >= good.created_at && good.started_at >= good.created_at);
    let bad = ended(ContainerSpec { attempt: 3, ..pod.container("bad", "exit 3") }).await;
    assert_eq!((bad.exit_code, bad.reason.as_str(), bad.attempt), (3, "Error", 3));
    let greedy = ContainerSpec { memory_limit: 16 << 20, ..pod.container("greedy", "dd if=/dev/zero of=/dev/null bs=64M") };
    let greedy = ended(greedy).await;
    // containerd 1.6 hears of the end and of its cause on two ways, and may miss the second.
    assert!(greedy.exit_code == 137 && ["OOMKilled", "Error"].contains(&greedy.reason.as_str()), "{greedy:?}");

    let missing = ContainerSpec { image: "garrison.local/other:1".into(), ..pod.container("missing", "true") };
    let refused = cri.create_container(&pod.id, &pod.sandbox, &missing).await;
    assert!(matches!(&refused, Err(RuntimeError::Refused { not_found: true, .. })), "{refused:?}");
    let unrunnable = ContainerSpec { command: vec!["/nothing".into()], ..pod.container("unrunnable", "") };
    let id = cri.create_container(&pod.id, &pod.sandbox, &unrunnable).await.unwrap();
    let refused = cri.start_container(&id).await;
    assert!(
        matches!(&refused, Err(RuntimeError::Refused { operation: "start container", message, .. }) if message.contains("/nothing")),
        "{refused:?}"
    );

    let script = "trap '' TERM; echo deaf; while true; do sleep 1; done";
    let stubborn = pod.run(cri, &pod.container("stubborn", script)).await;
    let log = Path::new(&pod.sandbox.log_directory).join("stubborn/0.log");
    until("the signal is ignored", async || fs::read_to_string(&log).is_ok_and(|log| log.contains("deaf"))).await;
    cri.stop_container(&stubborn, Duration::from_secs(1)).await.unwrap();
    assert_eq!(observed(cri, &stubborn).await.exit_code, 137);
    for _ in 0..2 {
        cri.stop_container(&stubborn, Duration::ZERO).await.unwrap();
        cri.remove_container(&stubborn).await.unwrap();
        pod.remove(cri).await;
    }
    assert!(cri.sandboxes().await.unwrap().iter().all(|sandbox| sandbox.id != pod.id));
    assert!(cri.containers().await.unwrap().is_empty());
}

/// A privileged container mounts something; the host and another container see it.
async fn propagation(machine: &Machine, cri: &Cri) {
    let shared = machine.make_dir("propagated");
    let mount = |propagation| Mount {
        host_path: shared.to_str().unwrap().into(),
        container_path: "/mnt".into(),
        propagation,
        ..Mount::default()
    };
    let mut pod = Pod::new(machine, "storage");
    (pod.sandbox.host_pid, pod.sandbox.privileged) = (true, true);
    pod.start(cri).await;
    let reader = ContainerSpec {
        mounts: vec![mount(Propagation::HostToContainer)],
        host_pid: true,
        ..pod.container("reader", "sleep 1000000")
    };
    let reader = pod.run(cri, &reader).await;
    let script = "busybox mkdir -p /mnt/disk; mount -t tmpfs tmpfs /mnt/disk && echo data > /mnt/disk/file; sleep 1000000";
    let writer = ContainerSpec {
        mounts: vec![mount(Propagation::Bidirectional)],
        privileged: true,
        host_pid: true,
        run_as_user: Some(0),
        ..pod.container("writer", script)
    };
    pod.run(cri, &writer).await;
    until("the host sees the mount", async || fs::read_to_string(shared.join("disk/file")).is_ok_and(|text| text == "data\n"))
        .await;
    let output = cri.exec(&reader, &["cat", "/mnt/disk/file"].map(String::from), Duration::from_secs(20)).await.unwrap();
    assert_eq!(output.stdout, b"data\n");
    let first = cri.exec(&reader, &["cat", "/proc/1/comm"].map(String::from), Duration::from_secs(20)).await.unwrap();
    assert_ne!(first.stdout, b"sleep\n", "process 1 is the machine's own");
    pod.remove(cri).await;
    machine::run("umount", &[shared.join("disk").to_str().unwrap()]);
}

/// containerd dies and comes back: the containers have run on, and the same client goes on with it.
async fn restart(machine: &mut Machine, cri: &Cri) {
    let mut pod = Pod::new(machine, "survivor");
    pod.start(cri).await;
    let id = pod.run(cri, &pod.container("main", "sleep 1000000")).await;
    let before = observed(cri, &id).await;
    machine.kill_containerd();
    assert!(matches!(cri.containers().await, Err(RuntimeError::Unreachable { .. })));
    machine.start_containerd(PAUSE);
    until("containerd answers again", async || cri.containers().await.is_ok()).await;
    assert_eq!(observed(cri, &id).await, before);
    pod.remove(cri).await;
    assert!(cri.containers().await.unwrap().is_empty());
}
