//! What lies between a client and its server: a door that can be slammed.

use crate::backend::Backend;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What the server hears of while nobody else reaches it.
const MEANWHILE: &str = "---\n\
    {apiVersion: v1, kind: ConfigMap, metadata: {name: meanwhile, namespace: team, labels: {informed: expired}}}";

#[derive(Default)]
struct Door {
    closed: AtomicBool,
    passing: Mutex<Vec<TcpStream>>,
}

impl Door {
    fn cut(&self) {
        for stream in self.passing.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn pass(&self, client: TcpStream, server: SocketAddr) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let server = TcpStream::connect(server)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.passing.lock().unwrap_or_else(PoisonError::into_inner).push(stream.try_clone()?);
        }
        pipe(client.try_clone()?, server.try_clone()?);
        pipe(server, client);
        Ok(())
    }
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // However it ends, the other side is to hear of it.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Two addresses: one leads to the server, at the other a client says what is to happen to it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) control: SocketAddr,
}

impl Gateway {
    /// Its threads live as long as the process; they do not keep the server.
    pub(crate) fn open(backend: Weak<Mutex<Backend>>, upstream: SocketAddr) -> Result<Self> {
        let (doors, controls) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let gateway = Self { address: doors.local_addr()?, control: controls.local_addr()? };
        let door = Arc::new(Door::default());
        let entered = Arc::clone(&door);
        std::thread::spawn(move || {
            for client in doors.incoming().flatten() {
                // A server that is away refuses, and so do we, by closing.
                let _ = entered.pass(client, upstream);
            }
        });
        std::thread::spawn(move || {
            for order in controls.incoming().flatten() {
                let Some(backend) = backend.upgrade() else { return };
                if let Err(error) = obey(&order, &door, &backend) {
                    eprintln!("the gateway: {error:#}");
                }
            }
        });
        Ok(gateway)
    }
}

fn obey(order: &TcpStream, door: &Door, backend: &Mutex<Backend>) -> Result<()> {
    let mut word = String::new();
    BufReader::new(order).read_line(&mut word)?;
    match word.trim() {
        "cut" => door.cut(),
        "expire" => expire(door, backend)?,
        other => bail!("nobody knows what {other:?} means"),
    }
    let mut answer = order;
    answer.write_all(b"done\n").context("answering")
}

/// Lets something happen that no watch hears of and that, after a restart, no history tells of.
fn expire(door: &Door, backend: &Mutex<Backend>) -> Result<()> {
    let mut backend = backend.lock().unwrap_or_else(PoisonError::into_inner);
    door.closed.store(true, Ordering::SeqCst);
    door.cut();
    backend.server.apply(MEANWHILE)?;
    backend.forget()?;
    door.closed.store(false, Ordering::SeqCst);
    Ok(())
}
