//! A machine in small for one test: own namespaces, own file systems, own containerd. Nothing of it outlives the test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const DIRECTORY: &str = "GARRISON_CRI_TEST_DIR";
const NEEDED: [&str; 6] = ["containerd", "ctr", "runc", "unshare", "tar", "busybox"];

/// Why this machine cannot run containers, if it cannot.
pub(crate) fn what_is_missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root".into());
    }
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let exists = |program: &str| env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let missing: Vec<&str> = NEEDED.into_iter().filter(|program| !exists(program)).collect();
    (!missing.is_empty()).then(|| format!("{} cannot be found", missing.join(", ")))
}

/// Runs the ignored test `name` of this program as the first process of a new machine.
pub(crate) fn run_inside(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"])
        .env(DIRECTORY, dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let left = remove_cgroups(dir.path());
    text.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| eprintln!("{line}"));
    assert!(output.status.success(), "within the machine:\n{text}");
    assert!(text.contains("1 passed"), "nothing was run within the machine:\n{text}");
    assert_eq!(left, Vec::<PathBuf>::new(), "cgroups that cannot be removed");
}

/// The cgroup below which a machine with that directory has its pods.
fn cgroup(dir: &Path) -> String {
    format!("garrison-test-{}", dir.file_name().unwrap().to_str().unwrap().trim_start_matches('.'))
}

/// Removes the cgroups of a machine that has ended, in every hierarchy; those that cannot be.
fn remove_cgroups(dir: &Path) -> Vec<PathBuf> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
    let roots = hierarchies.chain([PathBuf::from("/sys/fs/cgroup")]).map(|root| root.join(cgroup(dir)));
    let mut left: Vec<PathBuf> = roots.filter(|root| root.is_dir()).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    // The kernel takes a moment to bury the processes.
    while !left.is_empty() && Instant::now() < deadline {
        left.retain(|root| !remove_tree(root));
        thread::sleep(Duration::from_millis(20));
    }
    left
}

fn remove_tree(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok()
}

/// The machine, seen from within.
pub(crate) struct Machine {
    /// Everything that is written goes here.
    pub(crate) dir: PathBuf,
    /// Parent of the pods' cgroups.
    pub(crate) cgroup: String,
    containerd: Option<Child>,
}

impl Machine {
    /// Prepares the namespaces that [`run_inside`] has made.
    pub(crate) fn set_up() -> Self {
        let dir = PathBuf::from(env::var(DIRECTORY).expect("only `run_inside` runs this"));
        let cgroup = format!("/{}", cgroup(&dir));
        for place in [dir.as_path(), Path::new("/run"), Path::new("/var/lib"), Path::new("/var/log")] {
            run("mount", &["-t", "tmpfs", "tmpfs", place.to_str().unwrap()]);
        }
        // For mounts that containers hand to the machine and to each other.
        run("mount", &["--make-rshared", "/"]);
        run("ip", &["link", "set", "lo", "up"]);
        fs::create_dir(dir.join("cni")).unwrap();
        Self { dir, cgroup, containerd: None }
    }

    pub(crate) fn socket(&self) -> String {
        format!("unix://{}/containerd.sock", self.dir.display())
    }

    /// A directory of the machine.
    pub(crate) fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn start_containerd(&mut self, pause: &str) {
        let dir = self.dir.display();
        let config = format!(
            r#"
            version = 2
            root = "{dir}/root"
            state = "/run/containerd"
            [grpc]
            address = "{dir}/containerd.sock"
            [plugins."io.containerd.grpc.v1.cri"]
            restrict_oom_score_adj = true
            sandbox_image = "{pause}"
            [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "/usr/lib/cni"
            conf_dir = "{dir}/cni"
            "#
        );
        fs::write(self.dir.join("config.toml"), config).unwrap();
        let log = fs::File::create(self.dir.join("containerd.log")).unwrap();
        let child = Command::new("containerd")
            .arg("--config")
            .arg(self.dir.join("config.toml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.containerd = Some(child);
    }

    pub(crate) fn kill_containerd(&mut self) {
        let mut child = self.containerd.take().expect("it was started");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Gives pods a network, which machines do not have at first.
    pub(crate) fn write_network(&self) {
        let config = format!(
            r#"{{"cniVersion": "0.4.0", "name": "pods", "plugins": [
                {{"type": "bridge", "bridge": "pods0", "isGateway": true, "ipam":
                    {{"type": "host-local", "ranges": [[{{"subnet": "10.77.0.0/24"}}]], "dataDir": "{}/ipam"}}}},
                {{"type": "loopback"}}]}}"#,
            self.dir.display()
        );
        fs::write(self.dir.join("cni/10-pods.conflist"), config).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.dir.join("containerd.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of containerd's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Runs a program that has to succeed; what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
