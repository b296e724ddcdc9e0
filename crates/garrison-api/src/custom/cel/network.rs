//! Functions on addresses, ranges of addresses and URLs.

use super::{
    eval::{Outcome, fault},
    value::Val,
};
use std::net::IpAddr;

/// Functions that are no methods.
pub(super) fn function<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    let [Val::Str(text)] = values else { return None };
    Some(match name {
        "ip" => address(text).map_or_else(
            || fault(format!("IP Address {:?} parse error during conversion from string", &**text)),
            |ip| Ok(Val::Ip(ip)),
        ),
        "isIP" => Ok(Val::Bool(address(text).is_some())),
        "ip.isCanonical" => match address(text) {
            Some(ip) => Ok(Val::Bool(ip.to_string() == **text)),
            None => fault(format!("IP Address {:?} parse error during conversion from string", &**text)),
        },
        "cidr" => range(text).map_or_else(
            || fault(format!("network address parse error during conversion from string: {:?}", &**text)),
            |(ip, length)| Ok(Val::Cidr(ip, length)),
        ),
        "isCIDR" => Ok(Val::Bool(range(text).is_some())),
        "url" => url(text).map_or_else(
            || fault(format!("URL parse error during conversion from string: {:?}", &**text)),
            |url| Ok(Val::Url(url.into())),
        ),
        "isURL" => Ok(Val::Bool(url(text).is_some())),
        _ => return None,
    })
}

/// Methods of addresses, ranges and URLs.
pub(super) fn method<'a>(name: &str, values: &[Val<'a>]) -> Option<Outcome<'a>> {
    match values {
        [Val::Ip(ip)] => of_address(name, *ip),
        [Val::Cidr(ip, length), rest @ ..] => of_range(name, *ip, *length, rest),
        [Val::Url(url)] => Some(Ok(match name {
            "getScheme" if url.scheme() == RELATIVE => Val::text(""),
            "getScheme" => Val::text(url.scheme()),
            "getHost" | "getHostname" | "getPort" if url.scheme() == RELATIVE => Val::text(""),
            "getHost" => match (url.host_str(), url.port()) {
                (Some(host), Some(port)) => format!("{host}:{port}").into(),
                (host, _) => Val::text(host.unwrap_or_default()),
            },
            "getHostname" => Val::text(url.host_str().unwrap_or_default().trim_matches(['[', ']'])),
            "getPort" => url.port().map(|port| port.to_string()).unwrap_or_default().into(),
            "getEscapedPath" => Val::text(url.path()),
            "getQuery" => {
                let mut query: Vec<(Val<'a>, Val<'a>)> = Vec::new();
                for (key, value) in url.query_pairs() {
                    let (key, value): (Val<'a>, Val<'a>) = (key.into_owned().into(), value.into_owned().into());
                    match query.iter_mut().find(|(own, _)| super::value::equal(own, &key)) {
                        Some((_, Val::List(list))) => std::rc::Rc::make_mut(list).push(value),
                        _ => query.push((key, Val::list(vec![value]))),
                    }
                }
                Val::Map(query.into())
            }
            _ => return None,
        })),
        _ => None,
    }
}

/// The scheme of URLs that are only a path.
const RELATIVE: &str = "relative";

/// Upstream takes whole URLs and absolute paths.
fn url(text: &str) -> Option<url::Url> {
    if text.starts_with('/') {
        return url::Url::parse(&format!("{RELATIVE}://none{text}")).ok();
    }
    url::Url::parse(text).ok()
}

/// Upstream refuses addresses with zones and those that hide an IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let hidden = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    (!hidden).then_some(ip)
}

fn range(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/')?;
    let ip = address(ip)?;
    let plain = length.len() == 1 || !length.starts_with('0');
    let length: u8 = length.parse().ok().filter(|_| plain && length.bytes().all(|byte| byte.is_ascii_digit()))?;
    (length <= bits(ip)).then_some((ip, length))
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn of_address<'a>(name: &str, ip: IpAddr) -> Option<Outcome<'a>> {
    let v6_starts = |prefix: u16, mask: u16| matches!(ip, IpAddr::V6(v6) if v6.segments()[0] & mask == prefix);
    Some(Ok(match name {
        "family" => Val::Int(if ip.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Val::Bool(ip.is_unspecified()),
        "isLoopback" => Val::Bool(ip.is_loopback()),
        "isLinkLocalMulticast" => {
            Val::Bool(v6_starts(0xff02, 0xff0f) || matches!(ip, IpAddr::V4(v4) if v4.octets()[..3] == [224, 0, 0]))
        }
        "isLinkLocalUnicast" => Val::Bool(v6_starts(0xfe80, 0xffc0) || matches!(ip, IpAddr::V4(v4) if v4.is_link_local())),
        "isGlobalUnicast" => {
            let link_local = v6_starts(0xfe80, 0xffc0) || matches!(ip, IpAddr::V4(v4) if v4.is_link_local() || v4.is_broadcast());
            Val::Bool(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !link_local)
        }
        _ => return None,
    }))
}

/// The address as a number, cut to a prefix.
fn cut(ip: IpAddr, length: u8) -> u128 {
    let (value, width) = match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32_u32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let dropped = width - u32::from(length).min(width);
    value.checked_shr(dropped).unwrap_or(0).checked_shl(dropped).unwrap_or(0)
}

fn masked(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::from_bits(u32::try_from(cut(ip, length)).unwrap_or_default())),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::from_bits(cut(ip, length))),
    }
}

fn of_range<'a>(name: &str, ip: IpAddr, length: u8, rest: &[Val<'a>]) -> Option<Outcome<'a>> {
    let holds = |other: IpAddr| ip.is_ipv4() == other.is_ipv4() && cut(ip, length) == cut(other, length);
    Some(Ok(match (name, rest) {
        ("ip", []) => Val::Ip(ip),
        ("prefixLength", []) => Val::Int(length.into()),
        ("masked", []) => Val::Cidr(masked(ip, length), length),
        ("containsIP", [Val::Ip(other)]) => Val::Bool(holds(*other)),
        ("containsIP", [Val::Str(text)]) => match address(text) {
            Some(other) => Val::Bool(holds(other)),
            None => return Some(fault(format!("IP Address {:?} parse error during conversion from string", &**text))),
        },
        ("containsCIDR", [Val::Cidr(other, inner)]) => Val::Bool(*inner >= length && holds(*other)),
        ("containsCIDR", [Val::Str(text)]) => match range(text) {
            Some((other, inner)) => Val::Bool(inner >= length && holds(other)),
            None => return Some(fault(format!("network address parse error during conversion from string: {:?}", &**text))),
        },
        _ => return None,
    }))
}
