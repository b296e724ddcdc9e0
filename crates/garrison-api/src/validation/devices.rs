//! Devices, their classes, and claims of them (upstream `pkg/apis/resource/validation/validation.go`).
//!
//! Expressions that select devices are measured, not compiled: nothing here evaluates them.

use super::fault::{At, Faults};
use super::storage::driver_name;
use crate::names;
use std::collections::BTreeSet;

const MOST_REQUESTS: usize = 32;
const MOST_ALTERNATIVES: usize = 8;
const MOST_SELECTORS: usize = 32;
const LONGEST_EXPRESSION: usize = 10 << 10;
const LONGEST_PARAMETERS: usize = 10 << 10;
const LONGEST_POOL: usize = 253;
const MOST_DEVICES: usize = 128;
const MOST_PROPERTIES: usize = 32;
const LONGEST_VALUE: usize = 64;
/// Where devices can be said to be; one must be.
const PLACES: [&str; 4] = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
const NO_REQUEST: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// The spec of a ResourceClaim.
pub(super) fn claim(at: &At<'_>, faults: &mut Faults) {
    let devices = at.field("devices");
    let requests = devices.field("requests");
    faults.at_most(&requests, MOST_REQUESTS);
    let mut seen = BTreeSet::new();
    for request in requests.items() {
        faults.unique(&request.field("name"), &mut seen);
        self::request(&request, faults);
    }
    let known = request_names(&requests);
    for constraint in devices.field("constraints").items() {
        named_requests(&constraint.field("requests"), &known, faults);
        if constraint.present("matchAttribute").is_none() && constraint.present("distinctAttribute").is_none() {
            let why = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            faults.required(&constraint, why);
        }
    }
    for config in devices.field("config").items() {
        named_requests(&config.field("requests"), &known, faults);
        configuration(&config, faults);
    }
}

fn request_names(requests: &At<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for request in requests.items() {
        let name = request.text_of("name");
        let below = request.field("firstAvailable");
        names.extend(below.items().map(|alternative| format!("{name}/{}", alternative.text_of("name"))));
        names.insert(name.into());
    }
    names
}

fn named_requests(at: &At<'_>, known: &BTreeSet<String>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for name in at.items() {
        if !known.contains(name.text()) {
            faults.invalid(&name, NO_REQUEST);
        }
        faults.unique(&name, &mut seen);
    }
}

fn request(at: &At<'_>, faults: &mut Faults) {
    request_name(&at.field("name"), faults);
    let (exactly, alternatives) = (at.present("exactly"), at.field("firstAvailable"));
    match (exactly, alternatives.is_empty()) {
        (None, true) => faults.required(at, "exactly one of `exactly` or `firstAvailable` is required"),
        (Some(_), false) => {
            let why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            faults.invalid_value(at, &serde_json::Value::Null, why);
        }
        (Some(exactly), true) => wish(&exactly, faults),
        (None, false) => {
            faults.at_most(&alternatives, MOST_ALTERNATIVES);
            let mut seen = BTreeSet::new();
            for alternative in alternatives.items() {
                let name = alternative.field("name");
                request_name(&name, faults);
                faults.unique(&name, &mut seen);
                wish(&alternative, faults);
            }
        }
    }
}

fn request_name(at: &At<'_>, faults: &mut Faults) {
    if at.is_empty() {
        faults.required(at, "");
    } else {
        faults.invalid_if(at, names::dns_label_fault(at.text()));
    }
}

/// How many devices of which class.
fn wish(at: &At<'_>, faults: &mut Faults) {
    faults.named(&at.field("deviceClassName"), names::dns_subdomain_fault);
    selectors(&at.field("selectors"), faults);
    let (mode, count) = (at.field("allocationMode"), at.field("count"));
    match mode.text() {
        "All" if count.number() != 0 => faults.invalid(&count, "must not be specified when allocationMode is 'All'"),
        "All" => {}
        "ExactCount" if count.number() <= 0 => faults.invalid(&count, "must be greater than zero"),
        "ExactCount" => {}
        _ => faults.not_supported(&mode, &["All", "ExactCount"]),
    }
}

fn selectors(at: &At<'_>, faults: &mut Faults) {
    faults.at_most(at, MOST_SELECTORS);
    for selector in at.items() {
        match selector.present("cel") {
            None => faults.required(&selector.field("cel"), ""),
            Some(cel) if cel.text_of("expression").len() > LONGEST_EXPRESSION => {
                faults.too_long(&cel.field("expression"), LONGEST_EXPRESSION);
            }
            Some(_) => {}
        }
    }
}

fn configuration(at: &At<'_>, faults: &mut Faults) {
    let Some(opaque) = at.present("opaque") else { return faults.required(&at.field("opaque"), "") };
    driver_name(&opaque.field("driver"), faults);
    let parameters = opaque.field("parameters");
    match parameters.value {
        serde_json::Value::Null => faults.required(&parameters, ""),
        serde_json::Value::Object(_) if parameters.value.to_string().len() > LONGEST_PARAMETERS => {
            faults.too_long(&parameters, LONGEST_PARAMETERS);
        }
        serde_json::Value::Object(_) => {}
        _ => faults.invalid_value(&parameters, &"<value omitted>".into(), "must be a valid JSON object"),
    }
}

/// The spec of a DeviceClass.
pub(super) fn class(at: &At<'_>, faults: &mut Faults) {
    selectors(&at.field("selectors"), faults);
    at.field("config").items().for_each(|config| configuration(&config, faults));
    if let Some(name) = at.present("extendedResourceName") {
        let domain = name.text().split_once('/').map(|(domain, _)| domain);
        let foreign = domain.is_some_and(|domain| !domain.ends_with("kubernetes.io")) && !name.text().starts_with("requests.");
        if !foreign || names::qualified_name_fault(name.text()).is_some() {
            faults.invalid(&name, "must be a valid extended resource name");
        }
    }
}

/// The spec of a ResourceSlice.
pub(super) fn slice(at: &At<'_>, faults: &mut Faults) {
    driver_name(&at.field("driver"), faults);
    pool(&at.field("pool"), faults);
    let mut places = Vec::new();
    for place in PLACES.iter().filter_map(|place| at.present(place)) {
        match place.value {
            serde_json::Value::String(name) if name.is_empty() => {
                faults.invalid(&place, "must be either unset or set to a non-empty string");
            }
            serde_json::Value::String(name) => {
                faults.invalid_if(&place, names::dns_subdomain_fault(name));
                places.push("`nodeName`");
            }
            serde_json::Value::Bool(false) => faults.invalid(&place, "must be either unset or set to true"),
            serde_json::Value::Bool(true) if place.path.ends_with("allNodes") => places.push("`allNodes`"),
            serde_json::Value::Bool(true) => places.push("`perDeviceNodeSelection`"),
            _ => {
                let terms = place.field("nodeSelectorTerms");
                if terms.items().count() != 1 {
                    faults.invalid(&terms, "must have exactly one node selector term");
                }
                places.push("`nodeSelector`");
            }
        }
    }
    let which = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match places.as_slice() {
        [] => faults.required(at, which),
        [_] => {}
        _ => {
            let shown = format!("{{{}}}", places.join(", "));
            faults.invalid_value(at, &shown.into(), &format!("{which}, but multiple fields are set"));
        }
    }
    let devices = at.field("devices");
    faults.at_most(&devices, MOST_DEVICES);
    let mut seen = BTreeSet::new();
    for device in devices.items() {
        faults.unique(&device.field("name"), &mut seen);
        self::device(&device, faults);
    }
}

fn pool(at: &At<'_>, faults: &mut Faults) {
    let (name, count, generation) = (at.field("name"), at.field("resourceSliceCount"), at.field("generation"));
    if name.is_empty() {
        faults.required(&name, "");
    } else {
        if name.text().len() > LONGEST_POOL {
            faults.too_long(&name, LONGEST_POOL);
        }
        for part in name.text().split('/') {
            if let Some(why) = names::dns_subdomain_fault(part) {
                faults.invalid_value(&name, &part.into(), &why);
            }
        }
    }
    if count.number() <= 0 {
        faults.invalid_value(&count, &count.number().into(), "must be greater than zero");
    }
    if generation.number() < 0 {
        faults.invalid(&generation, "must be greater than or equal to zero");
    }
}

fn device(at: &At<'_>, faults: &mut Faults) {
    let (name, attributes) = (at.field("name"), at.field("attributes"));
    if let Some(why) = names::dns_label_fault(name.text()) {
        faults.invalid_value(&name, &name.text().into(), &why);
    }
    let properties = attributes.entries().count() + at.field("capacity").entries().count();
    if properties > MOST_PROPERTIES {
        let why = format!("the total number of attributes and capacities must not exceed {MOST_PROPERTIES}");
        faults.invalid_value(at, &properties.into(), &why);
    }
    for (_, attribute) in attributes.entries() {
        match attribute.fields().filter(|(_, value)| !value.value.is_null()).count() {
            0 => faults.invalid_value(&attribute, &"".into(), "exactly one value must be specified"),
            1 => {}
            _ => faults.invalid(&attribute, "exactly one value must be specified"),
        }
        for text in ["string", "version"].iter().filter_map(|field| attribute.present(field)) {
            if text.text().len() > LONGEST_VALUE {
                faults.too_long(&text, LONGEST_VALUE);
            }
        }
    }
}

/// An update of a ResourceSlice: it stays where it is, and whose it is.
pub(super) fn slice_kept(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("spec"), new.field("spec"));
    faults.immutable(&old.field("pool").field("name"), &new.field("pool").field("name"));
    for field in ["driver", "nodeName"] {
        faults.immutable(&old.field(field), &new.field(field));
    }
}

/// A write of the status of a ResourceClaim: whoever uses it is known, and it is only used when it is allocated.
pub(super) fn claim_status(old: &At<'_>, new: &At<'_>, faults: &mut Faults) {
    let (old, new) = (old.field("status"), new.field("status"));
    let (reserved, allocation) = (new.field("reservedFor"), new.field("allocation"));
    for user in reserved.items() {
        for field in ["resource", "name", "uid"].map(|field| user.field(field)).iter().filter(|field| field.is_empty()) {
            faults.required(field, "");
        }
    }
    if !reserved.is_empty() && allocation.value.is_null() {
        faults.forbidden(&reserved, "may not be specified when `allocated` is not set");
    }
    let before = old.field("allocation");
    if !before.value.is_null() && !allocation.value.is_null() {
        faults.immutable(&before, &allocation);
    }
}
