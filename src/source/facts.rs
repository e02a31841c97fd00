//! What a definition says about its requests, in words for a person.

use super::schema::CacheText;
use super::schema::PerTimeframe;
use super::schema::RateText;
use super::schema::WindowText;
use super::sections::Sections;
use crate::model::Timeframe;

/// Returns how long after its end a window may still change where the definition does not say.
pub(super) fn settle(timeframe: Option<Timeframe>) -> &'static str {
    // What is late by hours is corrected the next day, and hours of bars are asked again for each new one.
    if timeframe.is_some_and(|timeframe| !timeframe.is_day_or_more()) { "1h" } else { "1d" }
}

/// Returns the names and texts of what sections say.
pub(super) fn facts(sections: &Sections) -> Vec<(&'static str, String)> {
    let rates: Vec<_> = sections.rates.iter().map(rate).collect();
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "none".to_owned());
    let settle = sections.store.settle.clone();
    vec![
        ("rates", if rates.is_empty() { "none".to_owned() } else { rates.join("; ") }),
        ("windows", sections.window.as_ref().map_or_else(|| "none".to_owned(), window)),
        ("pages", word(&sections.pagination.kind)),
        ("auth", word(&sections.auth.kind)),
        ("settle", settle.unwrap_or_else(|| "1d, below a day 1h (not given)".to_owned())),
        ("cache", cache(&sections.cache)),
    ]
}

fn rate(rate: &RateText) -> String {
    let scope = rate.scope.as_deref().unwrap_or("ip");
    let cost = rate.cost.as_ref().map_or_else(String::new, |cost| format!(", a request costs {}", cost.0));
    let reset = rate.reset.as_ref().map_or_else(String::new, |reset| format!(", from {reset}"));
    format!("{} in {} for one {scope}{cost}{reset}", rate.max, rate.per)
}

fn window(window: &WindowText) -> String {
    let mut words = vec![format!("end {}", window.end.as_deref().unwrap_or("exclusive"))];
    words.extend(window.max_points.map(|points| format!("max_points {points}")));
    words.extend(window.retention_points.map(|points| format!("retention_points {points}")));
    for (name, per) in [("max_span", &window.max_span), ("retention", &window.retention)] {
        let text = match per {
            PerTimeframe::All(length) => length.clone(),
            PerTimeframe::Each(each) => {
                each.iter().map(|(key, length)| format!("{key}={length}")).collect::<Vec<_>>().join(" ")
            }
        };
        if !text.is_empty() {
            words.push(format!("{name} {text}"));
        }
    }
    words.join(", ")
}

fn cache(cache: &CacheText) -> String {
    let open = cache.open.as_deref().unwrap_or("by table, one bar at most");
    let closed = cache.closed.as_deref().unwrap_or("forever");
    let negative = cache.negative.as_deref().unwrap_or("1d");
    format!("open {open}; closed {closed}; negative {negative}")
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use crate::source::Choice;
    use crate::source::Definition;

    #[test]
    fn bars_below_a_day_settle_sooner_than_others() {
        let definition = Definition::parse(builtin::find("coinbase").unwrap(), "built in").unwrap();
        for (timeframe, hours) in [("1m", 1), ("1h", 1), ("1d", 24)] {
            let choice = Choice { timeframe: timeframe.parse().ok(), ..Choice::default() };
            let settle = definition.dataset(&choice).unwrap().settle;
            assert_eq!(settle, hours * 3_600_000_000, "{timeframe}");
        }
    }
}
