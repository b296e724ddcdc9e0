//! A TCP proxy before etcd that loses answers and cuts connections.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes bytes on, as long as it is told to.
pub(super) struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    deaf: AtomicBool,
    /// New connections are closed at once.
    closed: AtomicBool,
    /// Counts the cuts; every connection of before ends.
    cuts: watch::Sender<usize>,
}

impl Proxy {
    pub(super) async fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { deaf: AtomicBool::new(false), closed: AtomicBool::new(false), cuts: watch::Sender::new(0) });
        let accepting = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    if state.closed.load(Ordering::SeqCst) {
                        continue;
                    }
                    tokio::spawn(pass(stream, target, Arc::clone(&state)));
                }
            }
        });
        Self { port, state, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on nothing comes back, until the connections are cut.
    pub(super) fn swallow_answers(&self) {
        self.state.deaf.store(true, Ordering::SeqCst);
    }

    /// Ends every connection; new ones work.
    pub(super) fn cut(&self) {
        self.state.deaf.store(false, Ordering::SeqCst);
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Ends every connection and lets none come about.
    pub(super) fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(super) fn open(&self) {
        self.state.closed.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

async fn pass(client: TcpStream, target: u16, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        // TCP loses nothing in the middle: what has lost something loses all that follows.
        let mut deaf = false;
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            deaf |= state.deaf.load(Ordering::SeqCst);
            if !deaf && to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = back => {}
        _ = cuts.changed() => {}
    }
}
