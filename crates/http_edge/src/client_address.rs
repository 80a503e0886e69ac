//! Who is at the other end, for counting. Never what the client merely says of itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The address of the TCP peer. The server puts it into every request.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// What requests are counted by: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Behind a proxy the peer is the proxy: which header it writes, and which peers are proxies.
#[derive(Debug, Clone)]
pub struct Forwarding {
    /// The networks of the operator's own proxies.
    pub trusted_proxies: Vec<IpNet>,
    /// The header to which each proxy appends the address it saw.
    pub header: HeaderName,
}

impl Forwarding {
    /// What the client is counted by.
    pub fn client_address(&self, peer: PeerAddress, headers: &HeaderMap) -> ClientAddress {
        self.client_ip(peer, headers).into()
    }

    /// The client's address: the peer's, or, where that is a trusted proxy, the last one in the header that is not a
    /// trusted proxy's. What stands before it was written by the client itself.
    pub fn client_ip(&self, peer: PeerAddress, headers: &HeaderMap) -> IpAddr {
        let peer = peer.0.ip().to_canonical();
        if !self.is_trusted(peer) {
            return peer;
        }
        // What is no text is nonsense like any other: what stands before it is not believed.
        let values: Vec<_> = headers
            .get_all(&self.header)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let mut nearest = peer;
        for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            let Some(address) = parse_forwarded_address(entry.trim()) else { break };
            nearest = address;
            if !self.is_trusted(address) {
                break;
            }
        }
        nearest
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// An address, with or without a port.
fn parse_forwarded_address(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let forwarding = Forwarding {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            header: HeaderName::from_static("x-forwarded-for"),
        };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = PeerAddress(SocketAddr::new(peer.parse().unwrap(), 1));
        forwarding.client_address(peer, &headers).0.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(client("10.1.1.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &[]), "10.1.1.1");
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 203.0.113.9, 10.2.2.2"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &["1.1.1.1", "203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.1.1.1", &["203.0.113.9, nonsense"]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3");
        assert_eq!(client("10.1.1.1", &["1.1.1.1", "\u{ff}"]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &["1.1.1.1", "\u{ff}, 203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        assert_eq!(client("2001:db8:1:2:3:4:5:6", &[]), client("2001:db8:1:2:ffff::1", &[]));
        assert_ne!(client("2001:db8:1:2::1", &[]), client("2001:db8:1:3::1", &[]));
        assert_eq!(client("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }
}
