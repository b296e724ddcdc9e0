//! The store on a real etcd: the contract, several stores at once, faults, certificates.

mod faults;
mod process;
mod proxy;
mod security;
mod sharing;

use super::*;
use crate::{
    contract::{self, Place},
    memory::tests::Text,
};
use process::Process;

/// A prefix of its own in an etcd that all tests share, so that revisions are not its own.
struct Prefix {
    etcd: Arc<Process>,
    prefix: String,
}

impl Place for Prefix {
    async fn make() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("/test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { etcd: Process::shared().await, prefix }
    }

    async fn open(&self) -> Arc<dyn Store<Text>> {
        Arc::new(self.store().await)
    }
}

impl Prefix {
    fn config(&self) -> Config {
        Config { prefix: self.prefix.clone(), ..Config::new(vec![self.etcd.url()]) }
    }

    async fn store(&self) -> Etcd<Text> {
        Etcd::open(self.config()).await.unwrap()
    }
}

contract::tests!(Prefix);
