//! Which addresses a receiver may have: public ones, and those that the configuration allows by name.
//!
//! An endpoint's URL is typed by a person and its name is resolved by somebody else's server. Without this a receiver's
//! name could lead the worker to the broker, to a cloud's metadata service or to whatever else trusts the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What is not public of IPv4 (the registry of RFC 6890, as of 2025; multicast, and what is reserved).
const NON_PUBLIC_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    // AS112 and AMT, and the relays of 6to4: anybody may be behind them.
    v4([192, 31, 196, 0], 24),
    v4([192, 52, 193, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Multicast, and everything behind it up to the broadcast address.
    v4([224, 0, 0, 0], 3),
];

/// Of IPv6 only this is handed out to the public, so everything else is refused: loopback, `::`, mapped and translated
/// IPv4, unique local, link-local, multicast.
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// And of that, not this: protocol assignments with Teredo and benchmarking, documentation, 6to4.
const NON_PUBLIC_V6: [Ipv6Net; 5] = [
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x2002, 0, 0], 16),
    v6([0x2620, 0x4f, 0x8000], 48),
    v6([0x3fff, 0, 0], 20),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// How a receiver is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    /// In clear: only to addresses that are allowed by name.
    Http,
}

/// The addresses that may be connected to.
#[derive(Debug, Clone)]
pub(super) struct AllowedIps {
    allowed: Vec<IpNet>,
}

impl AllowedIps {
    /// Public ones, and these.
    pub(super) fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    pub(super) fn allows(&self, address: IpAddr, scheme: Scheme) -> bool {
        let is_allowed = self.allowed.iter().any(|net| net.contains(&address));
        match scheme {
            Scheme::Https => is_allowed || is_public(address),
            Scheme::Http => is_allowed,
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NON_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !NON_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(allowed: &[&str]) -> AllowedIps {
        AllowedIps::new(allowed.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[test]
    fn what_is_not_public_is_refused() {
        let none = addresses(&[]);
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!none.allows(refused.parse().unwrap(), Scheme::Https), "{refused}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(none.allows(public.parse().unwrap(), Scheme::Https), "{public}");
            assert!(!none.allows(public.parse().unwrap(), Scheme::Http), "{public} in clear");
        }
    }

    #[test]
    fn what_is_named_is_allowed_and_nothing_beside_it() {
        let some = addresses(&["127.0.0.0/8", "fd00:1::/32"]);
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("fd00:1::5", true),
            ("fd00:2::5", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.0.0.1", false),
        ] {
            for scheme in [Scheme::Https, Scheme::Http] {
                assert_eq!(some.allows(address.parse().unwrap(), scheme), allowed, "{address} {scheme:?}");
            }
        }
    }
}
