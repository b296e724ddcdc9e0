//! From a request to the one who answers it.

use crate::{
    Body, Server,
    accept::Encoding,
    authenticate::impersonation,
    authorize::Attributes,
    delete, discovery,
    dress::Dress,
    health,
    identity::User,
    join, lost,
    metrics::Label,
    read,
    request::{Asked, Call, Query, Target},
    respond::{self, Response},
    review,
    service_account_token::TokenAuthority,
    subresource, watch,
    websocket::{self, Split},
    write,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use garrison_api::{Status, custom::Slot};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Largest body of a request.
const BODY_LIMIT: usize = 3 << 20;
/// How long a client may take to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What is known of the one who calls before his request is read.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// He came over the network, with or without a certificate (DER) that the CA has signed.
    Remote(Option<Arc<[u8]>>),
    /// He is a part of this process.
    Known(User),
}

/// Answers a request, whatever it is.
pub(crate) fn handle(server: Server, caller: Caller, request: Request<Body>) -> BoxFuture<'static, Response> {
    // Boxed here: what the handlers' futures hold is nobody's business further out.
    Box::pin(async move {
        let started = Instant::now();
        let in_flight = server.metrics().request_started();
        let mut label = Label::default();
        let encoding = Encoding::plain(request.headers());
        let mut request = request;
        let dress = Dress::of(&mut request);
        let path = request.uri().path().to_owned();
        let outcome = route(&server, caller, request, &mut label).await;
        let refused = |status| lost::page(&path, &status).unwrap_or_else(|| respond::refusal(encoding, &status));
        let mut response = dress.put_on(outcome.unwrap_or_else(refused)).await;
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        server.metrics().request_done(label, response.status().as_u16(), started.elapsed());
        drop(in_flight);
        response
    })
}

async fn route(server: &Server, caller: Caller, request: Request<Body>, label: &mut Label) -> Result<Response, Status> {
    // Joining comes before authentication: who joins shows a token that is no identity yet.
    if let Some(answer) = joining(server, request.uri().path()) {
        return answer;
    }
    if request.uri().path() == join::JOIN_PATH && request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        let answer = join::join(server.pki(), &parts.headers, &collect(body).await?)?;
        return Ok(respond::json(StatusCode::OK, &answer));
    }
    let user = match caller {
        Caller::Known(user) => user,
        Caller::Remote(certificate) => server.authenticator().authenticate(request.headers(), certificate.as_deref()).await?,
    };
    let user = impersonation::apply(request.headers(), user, server.authorizer())?;
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let asked = Asked::read(&parts, &query);
    // Whether a kind is served is told to those only who might use it.
    let authorized = authorize(server, &asked.attributes(&user));
    let call = Call::of(server.custom(), user, asked, query, &parts);
    call.iter().for_each(|call| label.describe(call));
    authorized?;
    let call = call?;
    let Some(target) = call.target.clone() else { return plain(server, &call).await };
    if !target.serves(call.verb()) {
        return Err(Status::method_not_supported());
    }
    if target.resource().group.is_empty()
        && target.resource().plural == "pods"
        && let Some(stream @ ("log" | "exec" | "attach" | "portforward")) = target.subresource.as_deref()
    {
        let request = Request::from_parts(parts, body);
        return server.nodes().serve(target.namespace().unwrap_or_default(), target.name()?, stream, request).await;
    }
    let mut response = answer(server, &call, &target, Request::from_parts(parts, body)).await?;
    let version = target.resource().custom.and_then(Slot::version);
    if let Some(version) = version.filter(|version| !version.deprecation.is_empty()) {
        respond::warn(&mut response, std::slice::from_ref(&version.deprecation));
    }
    Ok(response)
}

/// Answers a request about a resource.
async fn answer(server: &Server, call: &Call, target: &Target, request: Request<Body>) -> Result<Response, Status> {
    match call.verb() {
        "get" if target.subresource.as_deref() == Some("scale") => subresource::read_scale(server, target).await,
        "get" => read::get(server, call, target).await,
        "list" => read::list(server, call, target).await,
        "watch" => {
            let events = watch::watch(server, call, target).await?;
            websocket::answer(request, events, Split::Events)
        }
        _ => change(server, call, target, &collect(request.into_body()).await?).await,
    }
}

/// Lets a request pass if its user may do what it asks.
fn authorize(server: &Server, asked: &Attributes<'_>) -> Result<(), Status> {
    server.authorizer().authorize(asked)?;
    // As upstream has it by now: who opens a stream makes something, whatever the method by which he asks.
    let streams = asked.resource == "pods" && matches!(asked.subresource, "exec" | "attach" | "portforward");
    if streams && asked.group.is_empty() && asked.verb == "get" {
        server.authorizer().authorize(&Attributes { verb: "create", ..*asked })?;
    }
    Ok(())
}

/// Requests that change something.
async fn change(server: &Server, call: &Call, target: &Target, body: &Bytes) -> Result<Response, Status> {
    match (call.verb(), target.subresource.as_deref()) {
        ("create", None) if !target.resource().is_stored() => review::create(server, call, target, body).await,
        ("create", None) => write::create(server, call, target, body).await,
        ("create", Some("binding")) => subresource::bind(server, call, target, body).await,
        ("create", Some("eviction")) => subresource::evict(server, call, target, body).await,
        ("create", Some("token")) => subresource::request_token(server, call, target, body).await,
        ("update" | "patch", Some("scale")) => subresource::write_scale(server, call, target, body).await,
        ("update", None | Some("approval" | "status" | "finalize")) => write::update(server, call, target, body).await,
        ("patch", None | Some("approval" | "status")) => write::patch(server, call, target, body).await,
        ("delete", None) => delete::delete(server, call, target, body).await,
        ("deletecollection", None) => delete::delete_collection(server, call, target, body).await,
        _ => Err(Status::method_not_supported()),
    }
}

/// Paths that are no resources.
async fn plain(server: &Server, call: &Call) -> Result<Response, Status> {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(Status::method_not_supported());
    }
    let segments: Vec<&str> = call.path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["healthz" | "livez" | "readyz", rest @ ..] => health::answer(server, segments[0], rest, call).await,
        ["metrics"] => Ok(server.metrics().answer(server).await),
        ["openid", "v1", "jwks"] => Ok(respond::json(StatusCode::OK, &server.tokens().jwks())),
        [".well-known", "openid-configuration"] => Ok(respond::json(StatusCode::OK, &TokenAuthority::discovery(&server.url()))),
        _ => discovery::answer(server, call, &segments),
    }
}

/// The CA's certificate, which is no secret: a machine that joins compares it with the hash in its token.
fn joining(server: &Server, path: &str) -> Option<Result<Response, Status>> {
    (path == join::CA_PATH).then(|| Ok(respond::bytes(StatusCode::OK, "application/x-pem-file", server.ca_pem().to_owned())))
}

/// Reads a body, up to the limit.
async fn collect(body: Body) -> Result<Bytes, Status> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_LIMIT).collect()).await;
    match collected.map_err(|_| Status::timeout("the body did not come in time", 1))? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Status::too_large(BODY_LIMIT)),
        Err(error) => Err(Status::bad_request(format!("the body cannot be read: {error}"))),
    }
}

/// The version that the server speaks.
pub(crate) fn version() -> serde_json::Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.0-garrison", "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
        "goVersion": "", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
