//! Acting as somebody else (`kubectl --as`), which takes the verb `impersonate` on all that the request wants to be.

use crate::{
    authorize::{Attributes, Authorizer},
    identity::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User, split_service_account},
    request,
};
use garrison_api::Status;
use http::HeaderMap;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA_PREFIX: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The user as whom the request wants to be judged.
///
/// # Errors
/// 403 when `user` may not be that, 500 when there is no user to be, as upstream answers.
pub(crate) fn apply(headers: &HeaderMap, user: User, authorizer: &Authorizer) -> Result<User, Status> {
    let asks = headers.keys().any(|key| matches!(key.as_str(), USER | GROUP | UID) || key.as_str().starts_with(EXTRA_PREFIX));
    if !asks {
        return Ok(user);
    }
    let wanted = wanted(headers)?;
    let base = Attributes {
        user: &user,
        verb: "impersonate",
        group: "",
        resource: "users",
        subresource: "",
        namespace: "",
        name: &wanted.name,
        path: "",
        field_selector: "",
    };
    authorizer.authorize(&match split_service_account(&wanted.name) {
        Some((namespace, name)) => Attributes { resource: "serviceaccounts", namespace, name, ..base },
        None => base,
    })?;
    for name in text(headers, GROUP) {
        authorizer.authorize(&Attributes { resource: "groups", name, ..base })?;
    }
    for (key, values) in &wanted.extra {
        for name in values {
            let extra = Attributes { group: AUTHENTICATION, resource: "userextras", subresource: key, name, ..base };
            authorizer.authorize(&extra)?;
        }
    }
    if !wanted.uid.is_empty() {
        authorizer.authorize(&Attributes { group: AUTHENTICATION, resource: "uids", name: &wanted.uid, ..base })?;
    }
    Ok(wanted)
}

fn wanted(headers: &HeaderMap) -> Result<User, Status> {
    let name = text(headers, USER).next().unwrap_or_default();
    if name.is_empty() {
        return Err(Status::internal("requested impersonation of groups, a UID or extra fields without impersonating a user"));
    }
    let groups: Vec<&str> = text(headers, GROUP).collect();
    // A service account belongs to its groups unless others are named.
    let mut user = match split_service_account(name) {
        Some((namespace, name)) if groups.is_empty() => User::service_account(namespace, name, ""),
        _ => User::new(name, groups),
    };
    let (own, known) = match name {
        ANONYMOUS => (UNAUTHENTICATED, user.is_in(UNAUTHENTICATED)),
        _ => (AUTHENTICATED, user.is_in(AUTHENTICATED) || user.is_in(UNAUTHENTICATED)),
    };
    if !known {
        user.groups.push(own.into());
    }
    user.uid = text(headers, UID).next().unwrap_or_default().into();
    for key in headers.keys() {
        if let Some(extra) = key.as_str().strip_prefix(EXTRA_PREFIX) {
            let values = text(headers, key.as_str()).map(Into::into).collect();
            user.extra.insert(request::decode(extra), values);
        }
    }
    Ok(user)
}

fn text<'a>(headers: &'a HeaderMap, key: &'a str) -> impl Iterator<Item = &'a str> {
    headers.get_all(key).iter().filter_map(|value| value.to_str().ok())
}
