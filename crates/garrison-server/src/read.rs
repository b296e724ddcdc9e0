//! Reading: one object, and lists of them as of a revision.

mod continuation;

use crate::{
    Server,
    accept::Encoding,
    authorize::{reach, restrict_node},
    form::{Form, Shape},
    identity::MASTERS,
    request::{self, Call, ListOptions, Match, Target},
    respond::{self, Response},
    storage::{self, Stored, StoredObject},
};
use bytes::Bytes;
pub(crate) use continuation::Continuation;
use garrison_api::{Resource, Status, encode, resource};
use garrison_store::{Filter, Page, Range, Revision};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Objects that are encoded between two chances for others to run.
const BATCH: usize = 64;

/// Answers with one object.
pub(crate) async fn get(server: &Server, call: &Call, target: &Target) -> Result<Response, Status> {
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::One)?;
    if let Some(text) = call.query.get("resourceVersion").filter(|text| !text.is_empty()) {
        server.storage().reached(request::version(text)?).await?;
    }
    restrict_node_to_used(server, call, target).await?;
    let stored = server.storage().get(target.resource(), target.namespace(), target.name()?).await?;
    restrict_node_to(call, &stored)?;
    Ok(respond::bytes(
        StatusCode::OK,
        form.encoding().media_type(),
        form.object(&stored.record.seen_as(target.resource()), Timestamp::now()),
    ))
}

/// Refuses a node's request that is about an object of another node.
pub(crate) fn restrict_node_to(call: &Call, stored: &Stored) -> Result<(), Status> {
    // Everybody else is spared the parsing.
    if call.user.node().is_none() {
        return Ok(());
    }
    restrict_node(&call.attributes(), &stored.record.shown())
}

/// Refuses a node a ConfigMap or Secret that no pod on it uses, be it there or not.
async fn restrict_node_to_used(server: &Server, call: &Call, target: &Target) -> Result<(), Status> {
    let (resource, name) = (target.resource(), target.name()?);
    let guarded = resource.group.is_empty() && matches!(resource.plural, "configmaps" | "secrets");
    let Some(node) = call.user.node().filter(|_| guarded && !call.user.is_in(MASTERS)) else { return Ok(()) };
    let pods = resource::find("", "v1", "pods").ok_or_else(|| Status::internal("pods are not served"))?;
    let prefix = storage::prefix(pods, target.namespace());
    let range = Range { prefix: &prefix, term: Some(node), start: "", filter: None, limit: 0, at: None };
    let here = server.storage().range(range).await?.entries;
    if here.iter().any(|pod| reach::uses(&pod.record.shown(), resource.plural, name)) {
        return Ok(());
    }
    let why = format!("no relationship found between node {node:?} and this object");
    Err(Status::forbidden(resource.group, resource.plural, name, &why))
}

/// Answers with a list, or a page of one.
pub(crate) async fn list(server: &Server, call: &Call, target: &Target) -> Result<Response, Status> {
    let options = ListOptions::parse(target, &call.query)?;
    let form = Form::negotiate(target.resource(), &call.headers, &call.query, Shape::List)?;
    let place = place(server, &options).await?;
    match page(server, &options, &place).await {
        Ok(page) => Ok(answer(call, form, &options, page).await),
        Err(status) if status.code == 410 && options.continue_token.is_some() => {
            Ok(expired_page(form.encoding(), &status, &place.start))
        }
        Err(status) => Err(status),
    }
}

/// Where and when a list starts: as its `continue` token says, or at the beginning.
pub(crate) async fn place(server: &Server, options: &ListOptions) -> Result<Continuation, Status> {
    match &options.continue_token {
        Some(token) => Continuation::decode(token),
        None => Ok(Continuation { revision: revision_to_read(server, options).await?, start: String::new() }),
    }
}

/// The exact revision that a list asks for, `None` for the newest; waits until the store is as new as asked.
async fn revision_to_read(server: &Server, options: &ListOptions) -> Result<Option<Revision>, Status> {
    let Some(revision) = options.resource_version.filter(|revision| *revision > 0) else { return Ok(None) };
    server.storage().reached(revision).await?;
    // A page of a list at a revision has always meant exactly that one.
    let exact = options.version_match == Some(Match::Exact) || (options.version_match.is_none() && options.limit > 0);
    Ok(exact.then_some(revision))
}

/// The objects that the options mean, from a place on.
pub(crate) async fn page(server: &Server, options: &ListOptions, place: &Continuation) -> Result<Page<StoredObject>, Status> {
    let selection = &options.selection;
    let filter = |entry: &_| selection.includes(entry);
    let filter: Option<&Filter<'_, _>> = if selection.is_everything() { None } else { Some(&filter) };
    // Who takes any version gets all there is, as upstream's cache gives it.
    let any = options.resource_version == Some(0) && options.continue_token.is_none();
    let limit = if any { 0 } else { options.limit };
    let range =
        Range { prefix: selection.prefix(), term: selection.term(), start: &place.start, filter, limit, at: place.revision };
    let mut page = server.storage().range(range).await?;
    storage::serve(&mut page.entries, selection.resource());
    Ok(page)
}

async fn answer(call: &Call, form: Form, options: &ListOptions, page: Page<StoredObject>) -> Response {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(next) = &page.next {
        metadata["continue"] = Continuation { revision: Some(page.revision), start: next.to_string() }.encode().into();
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    list_of(call, form, options.selection.resource(), &metadata, page.entries).await
}

/// A list of these objects.
pub(crate) async fn list_of(
    call: &Call,
    form: Form,
    resource: &'static Resource,
    metadata: &Value,
    entries: Vec<Stored>,
) -> Response {
    if form.encoding() == Encoding::Protobuf {
        return list_of_messages(call, form, resource, metadata, entries).await;
    }
    let head = form.list_head(resource, metadata);
    let size = entries.iter().map(|entry| entry.record.bytes().len()).sum();
    let now = Timestamp::now();
    let mut between = "";
    let items = entries
        .into_iter()
        .flat_map(move |entry| [std::mem::replace(&mut between, ",").into(), form.item(&entry.record.seen_as(resource), now)]);
    respond::parts(&call.headers, form.encoding().media_type(), size, [head].into_iter().chain(items).chain(["]}".into()]))
}

/// A list in protobuf. Its length comes first, so that all items are encoded before the first is sent.
async fn list_of_messages(
    call: &Call,
    form: Form,
    resource: &'static Resource,
    metadata: &Value,
    entries: Vec<Stored>,
) -> Response {
    let now = Timestamp::now();
    let mut items = Vec::with_capacity(entries.len());
    for batch in entries.chunks(BATCH) {
        items.extend(batch.iter().map(|entry| form.item(&entry.record.seen_as(resource), now)));
        tokio::task::yield_now().await;
    }
    let (version, kind) = form.list_kind(resource);
    let head: Bytes = encode::list_head(&version, &kind, metadata, items.iter().map(Bytes::len)).into();
    let size = items.iter().map(Bytes::len).sum();
    let items = items.into_iter().flat_map(|item| [encode::item_head(item.len()).into(), item]);
    let parts = [head].into_iter().chain(items).chain([encode::ENVELOPE_END.into()]);
    respond::parts(&call.headers, encode::PROTOBUF, size, parts)
}

/// The refusal of a page whose revision is gone, with a token for the rest of the list as it is now.
fn expired_page(encoding: Encoding, status: &Status, start: &str) -> Response {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
                   the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
                   Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
                   deleted between the time the first chunk was returned and now may show up in the list.";
    let mut value = Status { message: message.into(), ..status.clone() }.to_value();
    value["metadata"]["continue"] = Continuation { revision: None, start: start.into() }.encode().into();
    respond::object(StatusCode::GONE, encoding, &value)
}
