//! One member of the etcd cluster, connected: the calls that are made to it.

use super::{
    config::{Config, OpenError, User},
    fault::Fault,
    message::{
        AuthenticateRequest, AuthenticateResponse, CompactionRequest, CompactionResponse, RangeRequest, RangeResponse,
        TxnRequest, TxnResponse, WatchRequest, WatchResponse,
    },
};
use http::uri::PathAndQuery;
use parking_lot::RwLock;
use prost::Message;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tonic_prost::ProstCodec;

/// Requests that may wait to be sent on a watch.
const QUEUE: usize = 16;

pub(super) struct Member {
    grpc: Grpc<Channel>,
    user: Option<User>,
    /// Shows that the user has logged in; etcd forgets it after some minutes, or when it is started anew.
    token: RwLock<Option<MetadataValue<Ascii>>>,
    /// Held by the one who logs in again.
    login: Mutex<()>,
}

impl Member {
    pub(super) async fn connect(config: &Config, url: &str) -> Result<Self, Fault> {
        let endpoint = config.endpoint(url).map_err(|error| match error {
            OpenError::File { path, source } => Fault::Unsent(format!("{}: {source}", path.display()).into()),
            other => Fault::Unsent(other.to_string().into()),
        })?;
        let channel = endpoint.connect().await.map_err(|error| Fault::unconnected(url, &error))?;
        // Answers are as large as etcd and its objects let them be.
        let grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        let member = Self { grpc, user: config.user.clone(), token: RwLock::default(), login: Mutex::default() };
        member.log_in().await?;
        Ok(member)
    }

    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Fault> {
        self.call("/etcdserverpb.KV/Range", request).await
    }

    pub(super) async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Fault> {
        self.call("/etcdserverpb.KV/Txn", request).await
    }

    pub(super) async fn compact(&self, request: CompactionRequest) -> Result<CompactionResponse, Fault> {
        self.call("/etcdserverpb.KV/Compact", request).await
    }

    /// Opens a watch: what etcd sends, and where more can be asked for.
    pub(super) async fn watch(
        &self,
        first: WatchRequest,
    ) -> Result<(Streaming<WatchResponse>, mpsc::Sender<WatchRequest>), Fault> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        sender.try_send(first).map_err(|_| Fault::Unsent("the watch is closed".into()))?;
        let mut grpc = self.ready().await?;
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let request = self.with_metadata(ReceiverStream::new(receiver));
        let answer = grpc.streaming(request, path, ProstCodec::<WatchRequest, WatchResponse>::default()).await?;
        Ok((answer.into_inner(), sender))
    }

    /// Shows etcd the password again.
    pub(super) async fn log_in(&self) -> Result<(), Fault> {
        let Some(User { name, password }) = self.user.clone() else { return Ok(()) };
        let request = AuthenticateRequest { name, password };
        let answer: AuthenticateResponse = self.send("/etcdserverpb.Auth/Authenticate", request).await?;
        let token = answer.token.parse().map_err(|_| Fault::Lost("the token that etcd gave is no text".into()))?;
        *self.token.write() = Some(token);
        Ok(())
    }

    /// Calls, and once more if etcd does not know us any more: it has done nothing then.
    async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Fault>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let shown = self.token.read().clone();
        match self.send(path, request.clone()).await {
            Err(Fault::Stranger(_)) if self.user.is_some() => {
                let login = self.login.lock().await;
                let unchanged = *self.token.read() == shown;
                if unchanged {
                    self.log_in().await?;
                }
                drop(login);
                self.send(path, request).await
            }
            answered => answered,
        }
    }

    async fn send<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Fault>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut grpc = self.ready().await?;
        let codec = ProstCodec::<Q, A>::default();
        Ok(grpc.unary(self.with_metadata(request), PathAndQuery::from_static(path), codec).await?.into_inner())
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Fault> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Fault::unconnected("etcd", &error))?;
        Ok(grpc)
    }

    fn with_metadata<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // A member that has lost the others says so at once instead of letting us wait.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = self.token.read().clone() {
            request.metadata_mut().insert("token", token);
        }
        request
    }
}
