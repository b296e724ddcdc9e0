//! Acting as somebody else (`kubectl --as`), which is for those who may do everything anyway.

use garrison_api::Status;
use http::HeaderMap;

use crate::identity::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, User};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// The user as whom the request wants to be judged.
pub(super) fn apply(headers: &HeaderMap, user: User) -> Result<User, Status> {
    let asks = headers.keys().any(|key| matches!(key.as_str(), USER | GROUP | UID) || key.as_str().starts_with(EXTRA_PREFIX));
    if !asks {
        return Ok(user);
    }
    let name = text(headers, USER).next().unwrap_or_default();
    if name.is_empty() {
        return Err(Status::bad_request("requested impersonation of groups, a UID or extra fields without impersonating a user"));
    }
    if !user.is_in(MASTERS) {
        let why = format!("User {:?} cannot impersonate resource \"users\" in API group \"\" at the cluster scope", user.name);
        return Err(Status::forbidden("", "users", name, &why));
    }
    Ok(wanted(headers, name))
}

fn wanted(headers: &HeaderMap, name: &str) -> User {
    let groups: Vec<&str> = text(headers, GROUP).collect();
    // A service account belongs to its groups whether they are listed or not.
    let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    let mut user = match account {
        Some((namespace, name)) if groups.is_empty() => User::service_account(namespace, name, ""),
        _ => User::new(name, groups),
    };
    let own = if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.is_in(own) {
        user.groups.push(own.into());
    }
    user.uid = text(headers, UID).next().unwrap_or_default().into();
    for key in headers.keys() {
        if let Some(extra) = key.as_str().strip_prefix(EXTRA_PREFIX) {
            user.extra.insert(extra.into(), text(headers, key.as_str()).map(Into::into).collect());
        }
    }
    user
}

fn text<'a>(headers: &'a HeaderMap, key: &'a str) -> impl Iterator<Item = &'a str> {
    headers.get_all(key).iter().filter_map(|value| value.to_str().ok())
}
