//! The memory of the gateway's own process, read when somebody looks.
//!
//! Owns the reading of `/proc/self/status`. Deliberately does not read
//! `smaps_rollup`, which walks every page; the kernel keeps these sums anyway.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// Shows what the process holds in memory now.
#[derive(Debug)]
pub(super) struct ProcessMemory;

impl Collector for ProcessMemory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Where there is no `/proc`, there are no numbers.
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
            return Ok(());
        };
        for (name, help, key) in [
            (
                "process_resident_bytes",
                "Memory of the gateway in RAM, files it has mapped included",
                "VmRSS:",
            ),
            (
                "process_anonymous_bytes",
                "Memory of the gateway in RAM that belongs to no file",
                "RssAnon:",
            ),
        ] {
            if let Some(bytes) = bytes(&status, key) {
                let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(bytes).encode(gauge)?;
            }
        }
        Ok(())
    }
}

/// The value of a key, which the kernel prints in kB and means KiB.
fn bytes(status: &str, key: &str) -> Option<i64> {
    let line = status.lines().find(|line| line.starts_with(key))?;
    let kib: i64 = line[key.len()..].trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tkefu\nVmRSS:\t    5120 kB\nRssAnon:\t    1024 kB\nRssFile:\t 1 kB\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(5 << 20));
        assert_eq!(bytes(status, "RssAnon:"), Some(1 << 20));
        for strange in [
            "",
            "VmRSS:",
            "VmRSS:\tmany kB",
            "VmRSS:\t1",
            "VmRSS:\t9223372036854775807 kB",
        ] {
            assert_eq!(bytes(strange, "VmRSS:"), None, "{strange:?}");
        }
    }
}
