//! Runs in the text format of Prometheus, for the textfile collector of its node exporter.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::Write as _;

use super::metric::Metric;
use super::record::{Run, Total};

/// What is said of the last run of each command: name, words, and figure.
const GAUGES: [(&str, &str, Metric); 11] = [
    ("wall_seconds", "How long the last run took.", Metric::Wall),
    ("cpu_seconds", "Processor time of the last run.", Metric::Cpu),
    ("peak_memory_bytes", "The most memory the last run had.", Metric::Memory),
    ("disk_write_seconds", "Time in which the last run waited for the disk.", Metric::DiskWrites),
    ("written_bytes", "Bytes that the last run wrote to disks.", Metric::Written),
    ("rows_in", "Rows that the last run read.", Metric::RowsIn),
    ("rows_out", "Rows that the last run wrote.", Metric::RowsOut),
    ("requests", "Requests of the last run.", Metric::Requests),
    ("retries", "Tries beyond the first of the last run.", Metric::Retries),
    ("waited_seconds", "Time in which the last run waited for limits.", Metric::Waited),
    ("cache_hit_percent", "Answers of the last run that were known.", Metric::CacheHit),
];

/// How long answers took.
const QUANTILES: [(&str, Metric); 4] =
    [("0.5", Metric::P50), ("0.9", Metric::P90), ("0.99", Metric::P99), ("1", Metric::Max)];

/// Returns the last runs and the totals of the store of this name as text.
pub fn prometheus(store: &str, last: &[Run], totals: &[Total]) -> String {
    let mut page = Page { text: String::new(), store: escaped(store), name: String::new() };
    for (name, help, metric) in GAUGES {
        let samples = last.iter().filter_map(|run| Some((run, metric.of(run)?)));
        page.family(&format!("barn_run_{name}"), help, "gauge");
        samples.for_each(|(run, value)| page.sample(&run.command, "", value));
    }
    page.family("barn_run_latency_seconds", "How long the answers of the last run took.", "gauge");
    for run in last {
        for (quantile, metric) in QUANTILES {
            let quantile = format!(",quantile=\"{quantile}\"");
            metric.of(run).into_iter().for_each(|value| page.sample(&run.command, &quantile, value));
        }
    }
    page.family("barn_run_start_timestamp_seconds", "When the last run began.", "gauge");
    for run in last {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since 1970 fit into 53 bits until 2255"
        )]
        page.sample(&run.command, "", run.started as f64 / 1e6);
    }
    page.family("barn_run_exit_code", "The exit code of the last run.", "gauge");
    for run in last {
        page.sample(&run.command, "", f64::from(run.exit_code));
    }
    page.family("barn_runs_total", "Runs by their exit code.", "counter");
    for total in totals {
        let code = format!(",exit_code=\"{}\"", total.exit_code);
        page.sample(&total.command, &code, super::metric::float(total.runs));
    }
    page.text
}

struct Page {
    text: String,
    store: String,
    /// The family that samples belong to.
    name: String,
}

impl Page {
    /// Begins a family of samples; one without samples is valid.
    fn family(&mut self, name: &str, help: &str, kind: &str) {
        self.push(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        name.clone_into(&mut self.name);
    }

    /// Adds a sample to the family that was begun last.
    fn sample(&mut self, command: &str, labels: &str, value: f64) {
        let (name, store, command) = (&self.name, &self.store, escaped(command));
        let line = format!("{name}{{command=\"{command}\"{labels},store=\"{store}\"}} {value}\n");
        self.push(&line);
    }

    fn push(&mut self, text: &str) {
        // Writing to a text does not fail.
        self.text.write_str(text).ok();
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::record::{Figures, Latency};
    use super::*;

    #[test]
    fn samples_stand_below_their_family() {
        let latency = Latency { p50_micros: 1_000, p90_micros: 2_000, p99_micros: 3_000, max_micros: 4_000 };
        let run = Run {
            command: "fetch".to_owned(),
            wall_micros: 1_500_000,
            started: 1_700_000_000_500_000,
            figures: Figures { requests: 3, disk_hits: 1, ..Figures::default() },
            latency: Some(latency),
            ..Run::default()
        };
        let total = Total { command: "fetch".to_owned(), exit_code: 6, runs: 12 };
        let text = prometheus("/a \"b\"\\c\n", &[run], &[total]);
        let labels = "command=\"fetch\",store=\"/a \\\"b\\\"\\\\c\\n\"";
        for line in [
            "# TYPE barn_run_wall_seconds gauge".to_owned(),
            format!("barn_run_wall_seconds{{{labels}}} 1.5"),
            format!("barn_run_cache_hit_percent{{{labels}}} 25"),
            format!("barn_run_start_timestamp_seconds{{{labels}}} 1700000000.5"),
            "# TYPE barn_runs_total counter".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("barn_run_latency_seconds{command=\"fetch\",quantile=\"0.99\",store="));
        assert!(text.contains("barn_runs_total{command=\"fetch\",exit_code=\"6\",store="));
        assert!(text.ends_with('\n'));
    }
}
