//! Whatever a client writes into its path, its query and its headers, it is understood or refused, and in Kubernetes' own form.

use super::*;
use crate::{
    accept::{self, Encoding},
    form::{Form, Shape},
    read::Continuation,
};
use garrison_api::resource;
use http::{HeaderValue, header};
use proptest::prelude::*;

const NAMES: &[&str] = &[
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "timeoutSeconds",
    "watch",
    "labelSelector",
    "fieldSelector",
    "includeObject",
    "dryRun",
    "fieldValidation",
    "fieldManager",
    "force",
    "pretty",
];

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "+7",
    "007",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "99999999999999999999",
    "true",
    "False",
    "Exact",
    "NotOlderThan",
    "All",
    "Strict",
    "Object",
    "a=b,c!=d,e in (f,g),!h",
    "a in (",
    "metadata.name=x",
    "metadata.namespace=,spec.nodeName=n",
    "spec.nodeName!=a\\,b\\",
    "e30",
    "eyJydiI6MSwic3RhcnQiOiJwb2RzLyJ9",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(VALUES).prop_map(String::from), any::<String>(), "[a-z0-9%+=&,!()\\\\./ -]{0,40}"]
}

/// Everything escaped that could be.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn query() -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(NAMES), text(), any::<bool>());
    let pair = pair.prop_map(|(name, value, plain)| format!("{name}={}", if plain { value } else { escaped(&value) }));
    prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
}

fn target() -> impl Strategy<Value = Target> {
    let kinds = vec![("", "pods"), ("", "nodes"), ("", "namespaces"), ("apps", "daemonsets"), ("", "events"), ("", "secrets")];
    let kind = prop::sample::select(kinds).prop_map(|(group, plural)| resource::find(group, "v1", plural).unwrap());
    (kind, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(row, within, named, watch)| Target {
        resource: Kind(row),
        namespace: (row.namespaced && within).then(|| "n".to_owned()),
        name: named.then(|| "x".to_owned()),
        subresource: None,
        watch,
    })
}

fn accepted() -> impl Strategy<Value = HeaderMap> {
    let range = prop::sample::select(vec![
        "*/*",
        "application/*",
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "text/html",
        "",
    ]);
    let parameter = prop_oneof![
        prop::sample::select(vec![
            ";as=Table;v=v1;g=meta.k8s.io",
            ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1",
            ";stream=watch",
            ";q=0.5",
            ";q=NaN",
            ";q=1e9",
            ";q=-0",
            "",
        ])
        .prop_map(String::from),
        "[ -~]{0,20}",
    ];
    let value = prop::collection::vec((range, parameter), 0..4).prop_map(|ranges| {
        let texts: Vec<String> = ranges.into_iter().map(|(range, parameter)| range.to_owned() + &parameter).collect();
        HeaderValue::from_str(&texts.join(",")).expect("is printable")
    });
    let any =
        prop::collection::vec(any::<u8>(), 0..40).prop_filter_map("no header", |bytes| HeaderValue::from_bytes(&bytes).ok());
    prop::collection::vec(prop_oneof![4 => value, 1 => any], 0..3)
        .prop_map(|values| values.into_iter().map(|value| (header::ACCEPT, value)).collect())
}

/// A refusal that clients understand, of one of these codes.
fn is_refusal(status: &Status, codes: &[u16]) -> bool {
    let value = status.to_value();
    codes.contains(&status.code)
        && !status.reason.is_empty()
        && !status.message.is_empty()
        && (&value["kind"], &value["apiVersion"], &value["status"]) == (&"Status".into(), &"v1".into(), &"Failure".into())
}

proptest! {
    #[test]
    fn every_query_of_a_list_is_understood_or_refused(target in target(), text in query()) {
        let query = Query::parse(&text);
        match ListOptions::parse(&target, &query) {
            Err(status) => prop_assert!(is_refusal(&status, &[400, 422]), "{text}: {status:?}"),
            Ok(options) => {
                let selection = &options.selection;
                prop_assert!(selection.prefix().ends_with('/'), "{}", selection.prefix());
                prop_assert_eq!(options.continue_token.as_deref().unwrap_or_default(), query.get("continue").unwrap_or_default());
                let _ = (selection.scope(), selection.term(), selection.is_everything());
                if let Some(token) = &options.continue_token {
                    match Continuation::decode(token) {
                        Ok(place) => prop_assert_eq!(Continuation::decode(&place.encode()), Ok(place)),
                        Err(status) => prop_assert!(is_refusal(&status, &[400]), "{status:?}"),
                    }
                }
            }
        }
        if let Err(status) = WriteOptions::parse(&query) {
            prop_assert!(is_refusal(&status, &[422]), "{text}: {status:?}");
        }
    }

    #[test]
    fn every_accept_header_gets_a_form_or_406(target in target(), text in query(), headers in accepted(), one in any::<bool>()) {
        let query = Query::parse(&text);
        let shape = if one { Shape::One } else { Shape::List };
        match Form::negotiate(target.resource(), &headers, &query, shape) {
            Ok(form) => {
                let ranges = accept::ranges(&headers);
                prop_assert!(ranges.is_empty() || ranges.iter().any(|range| range.takes(form.encoding())), "{form:?}");
                if let Err(status) = form.streamed() {
                    prop_assert!(is_refusal(&status, &[406]), "{status:?}");
                }
            }
            Err(status) => prop_assert!(is_refusal(&status, &[400, 406]), "{status:?}"),
        }
        if let Err(status) = Encoding::required(&headers) {
            prop_assert!(is_refusal(&status, &[406]), "{status:?}");
            // Refusals are never refused.
            prop_assert_eq!(Encoding::plain(&headers), Encoding::Json);
        }
    }

    #[test]
    fn what_is_allowed_is_what_is_done(
        start in prop::sample::select(vec!["/api/v1", "/apis/apps/v1", "/api/v1/namespaces/n", "/api/v1/watch", "/"]),
        segments in prop::collection::vec(segment(), 0..6),
        method in method(),
        text in query(),
    ) {
        let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        let uri = format!("{start}{path}?{}", escape_all(&text));
        let (parts, ()) = http::Request::builder().method(method).uri(&uri).body(()).expect("is escaped").into_parts();
        let call = match Call::new(&Registry::new(), User::default(), &parts) {
            Ok(call) => call,
            Err(status) => {
                prop_assert!(is_refusal(&status, &[404]), "{uri}: {status:?}");
                return Ok(());
            }
        };
        let asked = call.attributes();
        let Some(target) = &call.target else { return Ok(()) };
        prop_assert_eq!((asked.group, asked.resource), (target.resource().group, target.resource().plural), "{}", &uri);
        prop_assert_eq!(asked.subresource, target.subresource.as_deref().unwrap_or_default(), "{}", &uri);
        if target.resource().namespaced {
            prop_assert_eq!(asked.namespace, target.namespace().unwrap_or_default(), "{}", &uri);
        }
        if let Some(name) = &target.name {
            prop_assert_eq!(asked.name, name, "{}", &uri);
        }
        if target.serves(call.verb()) {
            prop_assert_eq!(asked.verb, call.verb(), "{}", &uri);
        }
        if let Err(status) = field_manager(&call, call.verb() == "patch") {
            prop_assert!(is_refusal(&status, &[422]), "{status:?}");
        }
    }

    #[test]
    fn escapes_are_undone(text in any::<String>()) {
        prop_assert_eq!(decode(&escaped(&text)), text.clone());
        prop_assert_eq!(decode(&text.replace('%', "%25")), text);
    }
}

/// A part of a path: often one that means something.
fn segment() -> impl Strategy<Value = String> {
    let words = vec![
        "api",
        "apis",
        "v1",
        "apps",
        "watch",
        "namespaces",
        "pods",
        "daemonsets",
        "nodes",
        "status",
        "finalize",
        "proxy",
        "n",
        "",
        "%2f",
        "%77atch",
        "%",
    ];
    prop_oneof![6 => prop::sample::select(words).prop_map(String::from), 1 => any::<String>().prop_map(|text| escaped(&text))]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
}

/// The query with what a URL cannot hold escaped.
fn escape_all(query: &str) -> String {
    let held = |byte: u8| byte.is_ascii_alphanumeric() || b"%+=&,!().-".contains(&byte);
    query.bytes().map(|byte| if held(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
}
