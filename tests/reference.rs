//! `docs/api.md`: what the server serves, read from its own table of resources, and what it does not.

use garrison_api::{Resource, resource};
use std::fmt::Write;

/// Kinds of Kubernetes 1.36 in its stable API that are not served: group and version, plurals, why.
const ABSENT: &[(&str, &str, &str)] = &[
    ("v1", "bindings", "`pods/binding` does the same"),
    ("v1", "componentstatuses", "deprecated upstream; `/readyz?verbose` says what is wrong"),
];

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# The API that is served\n\n\
         Made from the table of resources (`crates/garrison-api/src/resource`) by `cargo run -p garrison-tests --bin api-reference`.\n\
         What is served behaves as in Kubernetes 1.36; the exceptions are in [differences.md](differences.md).\n\n\
         ## Representations\n\n",
    );
    page.push_str(REPRESENTATIONS);
    page.push_str("\n## Kinds\n\nVerbs: c create, g get, l list, w watch, u update, p patch, d delete, D deletecollection.\n");
    let mut groups: Vec<String> = Vec::new();
    for version in resource::resources().iter().map(Resource::api_version) {
        if !groups.contains(&version) {
            groups.push(version);
        }
    }
    for version in &groups {
        let _ = write!(page, "\n### {version}\n\n");
        page.push_str(
            "| kind | resource | scope | verbs | subresources | field selectors | acted on |\n|---|---|---|---|---|---|---|\n",
        );
        for row in resource::resources().iter().filter(|row| row.api_version() == *version) {
            page.push_str(&line(row));
        }
    }
    page.push_str("\n## Not served\n\nThese answer 404, as a server without them does, and discovery does not name them.\n\n");
    page.push_str("| group | resources | why |\n|---|---|---|\n");
    for (version, plurals, why) in ABSENT {
        let _ = writeln!(page, "| {version} | {plurals} | {why} |");
    }
    page.push_str(
        "\nKinds that CustomResourceDefinitions describe come on top ([custom-resources.md](custom-resources.md)).\n\
         Older (beta and alpha) versions of served kinds are not served either, unless the tables above name them.\n",
    );
    page
}

const REPRESENTATIONS: &str = "\
| of | by |
|---|---|
| objects and lists | JSON, YAML, `application/vnd.kubernetes.protobuf`; custom objects JSON and YAML |
| tables, as `kubectl get` prints them | `;as=Table;g=meta.k8s.io;v=v1` or `v1beta1`, JSON and YAML; lists, objects and watches (JSON) |
| metadata alone | `;as=PartialObjectMetadata` and `;as=PartialObjectMetadataList`, JSON, YAML and protobuf |
| watches | a stream of JSON or protobuf frames, or messages of a WebSocket |
| bodies | JSON, YAML, protobuf; patches: JSON patch, merge patch, strategic merge patch, server-side apply |
| discovery | legacy and aggregated (`apidiscovery.k8s.io`, v2 and v2beta1) |
| schemas | OpenAPI v2 (JSON, protobuf) and v3 |
";

fn line(row: &Resource) -> String {
    let scope = if row.namespaced { "namespace" } else { "cluster" };
    let subresources: Vec<String> =
        row.subresources.iter().map(|subresource| format!("`{}` {}", subresource.name, letters(subresource.verbs))).collect();
    let fields: Vec<String> = row.selectable_fields.iter().map(|field| format!("`{field}`")).collect();
    let acted = if row.stored_only.is_empty() { "yes".into() } else { format!("no: {}", row.stored_only) };
    let (kind, plural, verbs) = (row.kind, row.plural, letters(row.verbs));
    format!("| {kind} | {plural} | {scope} | {verbs} | {} | {} | {acted} |\n", subresources.join(", "), fields.join(" "))
}

/// Verbs as letters, in the order that the page explains.
fn letters(verbs: &[&str]) -> String {
    const ORDER: [(&str, char); 8] = [
        ("create", 'c'),
        ("get", 'g'),
        ("list", 'l'),
        ("watch", 'w'),
        ("update", 'u'),
        ("patch", 'p'),
        ("delete", 'd'),
        ("deletecollection", 'D'),
    ];
    ORDER.iter().filter(|(verb, _)| verbs.contains(verb)).map(|(_, letter)| letter).collect()
}

/// Resources that the page calls absent and that are served.
pub fn contradictions() -> Vec<String> {
    let each = ABSENT.iter().flat_map(|(version, plurals, _)| plurals.split(", ").map(move |plural| (*version, plural)));
    let served = |(version, plural): &(&str, &str)| {
        resource::resources().iter().any(|row| row.api_version() == *version && row.plural == *plural)
    };
    each.filter(served).map(|(version, plural)| format!("{version} {plural}")).collect()
}
