//! A real etcd as a process of the test's, and a client beside the store.

use crate::etcd::{
    config::Config,
    member::Member,
    message::{DeleteRequest, KeyValue, Operation, PutRequest, RangeRequest, TxnRequest},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    fs::File,
    net::TcpListener,
    process::{Child, Command},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// An etcd of one member. It is killed with the last one who holds it.
pub(super) struct Process {
    dir: tempfile::TempDir,
    /// Ports for clients and for other members.
    ports: [u16; 2],
    /// Flags for certificates.
    flags: Vec<String>,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// The one that tests share.
    pub(super) async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Process>> = Mutex::new(Weak::new());
        let process = {
            let mut shared = SHARED.lock();
            shared.upgrade().unwrap_or_else(|| {
                let process = Arc::new(Self::start(Vec::new()));
                *shared = Arc::downgrade(&process);
                process
            })
        };
        process.answers().await;
        process
    }

    /// One that nobody else uses.
    pub(super) async fn own() -> Self {
        let process = Self::start(Vec::new());
        process.answers().await;
        process
    }

    /// Starts one, with more flags; what they mean for its clients is the caller's.
    pub(super) fn start(flags: Vec<String>) -> Self {
        let process = Self { dir: tempfile::tempdir().unwrap(), ports: free_ports(), flags, child: Mutex::new(None) };
        process.run();
        process
    }

    /// Runs it on what is on its disk.
    pub(super) fn run(&self) {
        let [client, peer] = self.ports;
        let scheme = if self.flags.is_empty() { "http" } else { "https" };
        let client = format!("{scheme}://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = Command::new("etcd")
            .args(["--name", "m", "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("m={peer}"), "--data-dir"])
            .arg(self.dir.path().join("data"))
            .args(&self.flags)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("etcd starts; on Debian, `apt-get install etcd-server` installs it");
        *self.child.lock() = Some(child);
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) fn kill(&self) {
        if let Some(mut child) = self.child.lock().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Forgets everything it has on its disk.
    pub(super) fn wipe(&self) {
        std::fs::remove_dir_all(self.dir.path().join("data")).unwrap();
    }

    pub(super) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    pub(super) async fn answers(&self) {
        self.client().await;
    }

    /// A client of etcd's own, beside the store.
    pub(super) async fn client(&self) -> Client {
        let config = Config::new(vec![self.url()]);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let connected = match Member::connect(&config, &self.url()).await {
                Ok(member) => member.range(RangeRequest { key: "x".into(), ..RangeRequest::default() }).await.map(|_| member),
                Err(fault) => Err(fault),
            };
            match connected {
                Ok(member) => return Client(member),
                Err(fault) => assert!(Instant::now() < deadline, "etcd does not answer: {fault:?}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Somebody who does with etcd what he wants.
pub(super) struct Client(pub(super) Member);

impl Client {
    /// Puts, or removes, all at one revision.
    pub(super) async fn change(&self, changes: &[(&str, Option<&[u8]>)]) -> i64 {
        let operations = changes.iter().map(|(key, value)| {
            let key = Bytes::from(key.to_string());
            match value {
                Some(value) => {
                    let put = PutRequest { key, value: Bytes::copy_from_slice(value), prev_kv: false };
                    Operation { put: Some(put), ..Operation::default() }
                }
                None => Operation { delete: Some(DeleteRequest { key, prev_kv: false }), ..Operation::default() },
            }
        });
        let request = TxnRequest { success: operations.collect(), ..TxnRequest::default() };
        self.0.txn(request).await.unwrap().header.unwrap().revision
    }

    pub(super) async fn get(&self, key: &str) -> Option<KeyValue> {
        let request = RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() };
        self.0.range(request).await.unwrap().kvs.into_iter().next()
    }
}
