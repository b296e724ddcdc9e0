//! Under which name a writer comes to own what it writes.

use super::Call;
use garrison_api::{Status, status_error::Cause};
use http::header;

/// As many bytes as a name may have.
const LONGEST: usize = 128;

/// The name of the writer: as it says, else what its program calls itself.
///
/// # Errors
/// 422 for a name that is too long or cannot be printed, for an apply without a name, and for force without an apply.
pub(crate) fn field_manager(call: &Call, applies: bool) -> Result<String, Status> {
    let said = call.query.get("fieldManager").unwrap_or_default();
    let mut causes = Vec::new();
    let mut refuse = |field: &str, reason: &str, message: String| {
        causes.push(Cause { reason: reason.into(), message, field: field.into() });
    };
    if call.verb() == "patch" && !applies && call.query.get("force").is_some() {
        refuse("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch".into());
    }
    if applies && said.is_empty() {
        refuse("fieldManager", "FieldValueRequired", "Required value: is required for apply patch".into());
    }
    if said.len() > LONGEST {
        refuse("fieldManager", "FieldValueTooLong", format!("Too long: may not be more than {LONGEST} bytes"));
    }
    // Each is told of with the whole name: without an end to it, the answer would be as long as the name's square.
    for (position, character) in said.char_indices().filter(|(_, character)| !is_printable(*character)).take(LONGEST) {
        let why = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
        refuse("fieldManager", "FieldValueInvalid", format!("Invalid value: {said:?}: {why}"));
    }
    if !causes.is_empty() {
        let kind = match call.verb() {
            "patch" => "PatchOptions",
            "update" => "UpdateOptions",
            _ => "CreateOptions",
        };
        return Err(Status::invalid("meta.k8s.io", kind, "", causes));
    }
    Ok(if said.is_empty() { program(call.header(header::USER_AGENT)) } else { said.to_owned() })
}

/// What a program calls itself, up to its version.
fn program(agent: &str) -> String {
    let mut name = String::new();
    for character in agent.split('/').next().unwrap_or_default().chars().filter(|character| is_printable(*character)) {
        if name.len() + character.len_utf8() > LONGEST {
            break;
        }
        name.push(character);
    }
    name
}

/// As Go has it: letters, marks, numbers, punctuation, symbols, and of spaces only the plain one.
fn is_printable(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
    );
    character == ' ' || !(character.is_control() || character.is_whitespace() || is_format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::User;

    fn asked(line: &str, agent: &str, applies: bool) -> Result<String, Status> {
        let (method, path) = line.split_once(' ').unwrap();
        let request = http::Request::builder().method(method).uri(path).header("user-agent", agent).body(()).unwrap();
        field_manager(&Call::new(&crate::custom::Registry::new(), User::controllers(), &request.into_parts().0).unwrap(), applies)
    }

    #[test]
    fn a_writer_is_who_it_says_or_its_program() {
        const POD: &str = "/api/v1/namespaces/n/pods/p";
        for (line, agent, name) in [
            (format!("PUT {POD}?fieldManager=me"), "kubectl/v1.33.0 (linux/amd64)", "me"),
            (format!("PUT {POD}"), "kubectl/v1.33.0 (linux/amd64)", "kubectl"),
            (format!("PUT {POD}?fieldManager="), "curl", "curl"),
            (format!("PUT {POD}"), "", ""),
        ] {
            assert_eq!(asked(&line, agent, false).unwrap(), name, "{line}");
        }
        assert_eq!(asked(&format!("PUT {POD}"), &"x".repeat(200), false).unwrap().len(), 128);
    }

    #[test]
    fn bad_names_are_refused_in_upstreams_words() {
        const POD: &str = "/api/v1/namespaces/n/pods/p";
        let long = "x".repeat(129);
        for (query, applies, why) in [
            ("".to_owned(), true, "fieldManager: Required value: is required for apply patch"),
            ("fieldManager=m&force=true".to_owned(), false, "force: Forbidden: may not be specified for non-apply patch"),
            (format!("fieldManager={long}"), false, "fieldManager: Too long: may not be more than 128 bytes"),
            (
                "fieldManager=a%09".to_owned(),
                true,
                "fieldManager: Invalid value: \"a\\t\": invalid character U+0009 (at position 1)",
            ),
        ] {
            let status = asked(&format!("PATCH {POD}?{query}"), "kubectl", applies).unwrap_err();
            let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: {why}");
            assert_eq!((status.code, status.message), (422, message), "{query}");
        }
        let created = asked(&format!("POST /api/v1/namespaces/n/pods?fieldManager={long}"), "", false).unwrap_err();
        assert!(created.message.starts_with("CreateOptions.meta.k8s.io"), "{}", created.message);
    }
}
