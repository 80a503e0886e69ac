//! W3C Trace Context: a request that is part of a caller's trace keeps that trace's name.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

/// The header `traceparent`, version 00 (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: TraceId,
    span: SpanId,
    flags: u8,
}

impl TraceParent {
    /// `None` where there is none that can be read: a trace is then begun anew, as the standard says.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        Self::parse(value.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_lower_hex = |part: &str, chars: usize| {
            part.len() == chars && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        // A later version may have more to say behind what version 00 says.
        let is_known = is_lower_hex(version, 2)
            && match version {
                "00" => parts.next().is_none(),
                version => version != "ff",
            };
        let has_form = is_lower_hex(trace, 32) && is_lower_hex(span, 16) && is_lower_hex(flags, 2);
        if !is_known || !has_form {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_named = trace != TraceId::INVALID && span != SpanId::INVALID;
        is_named.then_some(Self { trace, span, flags: u8::from_str_radix(flags, 16).ok()? })
    }

    /// The trace's name: 32 characters of lowercase hex.
    pub(crate) fn trace_id(&self) -> String {
        self.trace.to_string()
    }

    /// The caller's span, as the parent of ours.
    pub(crate) fn parent_context(&self) -> Context {
        let flags = TraceFlags::new(self.flags) & TraceFlags::SAMPLED;
        let span = SpanContext::new(self.trace, self.span, flags, true, TraceState::default());
        Context::new().with_remote_span_context(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_keeps_its_name() {
        assert_eq!(TraceParent::parse(GOOD).unwrap().trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(TraceParent::parse(&GOOD.replacen("00", "cc", 1)).is_some(), "a later version");
        assert!(TraceParent::parse(&(GOOD.replacen("00", "cc", 1) + "-more")).is_some());
    }

    #[test]
    fn what_can_not_be_read_is_as_good_as_absent() {
        for wrong in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD[1..],
            &GOOD.replacen("00", "ff", 1),
            &format!("{GOOD}-more"),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace("-01", "-zz"),
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
        let mut twice = HeaderMap::new();
        twice.append("traceparent", GOOD.parse().unwrap());
        assert!(TraceParent::from_headers(&twice).is_some());
        twice.append("traceparent", GOOD.parse().unwrap());
        assert_eq!(TraceParent::from_headers(&twice), None);
    }
}
