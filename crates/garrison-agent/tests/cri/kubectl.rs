//! Real kubectl sessions through the node's endpoint into a real container.

use crate::{api, machine::Machine, pod::Pod, until, websocket};
use garrison_agent::{cri::Cri, endpoint, runtime::ContainerSpec};
use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

/// How kubectl reaches the cluster.
struct Kubectl<'a> {
    machine: &'a Machine,
    server: String,
    /// Whether it is to speak `WebSocket`, which it knows since 1.31, or SPDY.
    websocket: bool,
}

impl Kubectl<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(["--server", &self.server, "--namespace", "tests"]).args(arguments);
        // Whatever the user has configured is none of our business.
        command.env("HOME", &self.machine.dir).env("KUBECONFIG", "/dev/null").kill_on_drop(true);
        for switch in ["KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS"] {
            command.env(switch, self.websocket.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs kubectl with some input.
    async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let typing = async {
            // A session that wants no input may be over before it is written.
            drop(stdin.write_all(input.as_bytes()).await);
            drop(stdin);
        };
        let running = async { tokio::join!(typing, child.wait_with_output()).1.unwrap() };
        timeout(DEADLINE, running).await.unwrap_or_else(|_| panic!("{arguments:?} hangs, WebSocket: {}", self.websocket))
    }

    async fn check(&self, arguments: &[&str], input: &str, code: i32, stdout: &str) {
        let output = self.run(arguments, input).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{arguments:?}: {errors}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    }
}

pub(crate) async fn sessions(machine: &Machine, cri: Arc<Cri>) {
    if std::process::Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        eprintln!("SKIPPED kubectl's sessions: kubectl cannot be found");
        return;
    }
    let mut pod = Pod::new(machine, "web");
    pod.start(&cri).await;
    let script = "echo ready; httpd -p 8080 -h /www; while read line; do echo \"heard $line\"; done; sleep 1000000";
    let spec = ContainerSpec { stdin: true, run_as_user: Some(0), ..pod.container("main", script) };
    let id = pod.run(&cri, &spec).await;
    let log_path = Path::new(&pod.sandbox.log_directory).join("main/0.log");
    let container = endpoint::ContainerHandle { id, log_path: log_path.clone(), running: true };
    let pods = Arc::new(api::OnePod { sandbox: pod.id.clone(), container });

    let keys = api::keys(&machine.make_dir("keys"));
    let tls = api::node_tls(&keys);
    let shutdown = CancellationToken::new();
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node_port = node.local_addr().unwrap().port();
    let endpoint = tokio::spawn(endpoint::serve(pods, Arc::clone(&cri) as _, tls, node, shutdown.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let address = listener.local_addr().unwrap();
    let api = tokio::spawn(api::serve(listener, keys, node_port));
    let mut kubectl = Kubectl { machine, server, websocket: false };

    until("the container is ready", async || fs::read_to_string(&log_path).is_ok_and(|log| log.contains("ready"))).await;
    kubectl.check(&["logs", "web"], "", 0, "ready\n").await;
    for websocket in [false, true] {
        kubectl.websocket = websocket;
        exec(&kubectl).await;
        copies(&kubectl).await;
        terminal(&kubectl).await;
        attach(&kubectl, &log_path).await;
        port_forward(&kubectl).await;
    }
    websocket::sessions(address).await;
    follow(&kubectl, &shutdown).await;

    endpoint.await.unwrap();
    api.abort();
    pod.remove(&cri).await;
}

async fn exec(kubectl: &Kubectl<'_>) {
    kubectl.check(&["exec", "web", "--", "echo", "a b", "c&d"], "", 0, "a b c&d\n").await;
    kubectl.check(&["exec", "-i", "web", "--", "cat"], "typed in\n", 0, "typed in\n").await;
    kubectl.check(&["exec", "web", "--", "sh", "-c", "echo out; exit 7"], "", 7, "out\n").await;
    let output = kubectl.run(&["exec", "web", "--", "sh", "-c", "echo err >&2"], "").await;
    assert_eq!((output.stdout, output.stderr), (Vec::new(), b"err\n".to_vec()));
    // More than any buffer on the way holds, both ways.
    let much = "0123456789abcde\n".repeat(10 << 16);
    kubectl.check(&["exec", "-i", "web", "--", "cat"], &much, 0, &much).await;
    let output = kubectl.run(&["exec", "web", "--", "/nothing"], "").await;
    assert!(!output.status.success());
}

/// Files of ten megabytes in and out, as archives.
async fn copies(kubectl: &Kubectl<'_>) {
    let (file, copy) = (kubectl.machine.dir.join("file"), kubectl.machine.dir.join("copy"));
    let content: Vec<u8> = (0..10_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&file, &content).unwrap();
    kubectl.check(&["cp", file.to_str().unwrap(), "web:/tmp/file"], "", 0, "").await;
    // It tells what tar does: that it leaves out the first slash.
    let output = kubectl.run(&["cp", "web:/tmp/file", copy.to_str().unwrap()], "").await;
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(&copy).unwrap() == content);
    // A command that ends before its input does, and says so. containerd waits for whatever no pipe to the command holds.
    let more = "0123456789abcde\n".repeat(1 << 10);
    kubectl.check(&["exec", "-i", "web", "--", "sh", "-c", "read line; echo $line; exit 3"], &more, 3, "0123456789abcde\n").await;
    fs::remove_file(copy).unwrap();
}

/// kubectl in a terminal, whose size is the container's.
async fn terminal(kubectl: &Kubectl<'_>) {
    let Kubectl { machine, server, websocket } = kubectl;
    let script = format!(
        "stty rows 33 cols 99; export HOME={} KUBECONFIG=/dev/null KUBECTL_REMOTE_COMMAND_WEBSOCKETS={websocket}; \
         kubectl --server {server} --namespace tests exec -it web -- sh -c 'while ! stty size | grep 33; do sleep 0.1; done'",
        machine.dir.display()
    );
    let mut command = Command::new("script");
    let output = command.args(["--quiet", "--return", "--command", &script, "/dev/null"]).stdin(Stdio::null()).output();
    let output = timeout(DEADLINE, output).await.expect("the size arrives").unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("33 99"), "{output:?}");
}

async fn attach(kubectl: &Kubectl<'_>, log: &Path) {
    let mut session = kubectl.command(&["attach", "-i", "web"]).spawn().unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"you\n").await.unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "heard you");
    until("it is logged too", async || fs::read_to_string(log).is_ok_and(|log| log.contains("heard you"))).await;
    session.kill().await.unwrap();
}

async fn port_forward(kubectl: &Kubectl<'_>) {
    let mut session = kubectl.command(&["port-forward", "pod/web", ":8080"]).spawn().unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says where it listens");
    let port: u16 = line.split([':', ' ']).find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello from the pod\n"), "{answer}");
    }
    session.kill().await.unwrap();
}

/// A followed log goes on until the node's endpoint shuts down.
async fn follow(kubectl: &Kubectl<'_>, shutdown: &CancellationToken) {
    let mut session = kubectl.command(&["logs", "--follow", "--tail=1", "web"]).spawn().unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "heard you");
    kubectl.check(&["exec", "web", "--", "sh", "-c", "echo more > /proc/1/fd/1"], "", 0, "").await;
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "more");
    shutdown.cancel();
    assert_eq!(lines.next_line().await.unwrap(), None);
    session.wait().await.unwrap();
}
