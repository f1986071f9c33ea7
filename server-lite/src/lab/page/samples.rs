//! The averages of a service over the last minutes: a point where one changed, at most so many.

use super::limits::{KEPT, POINTS, SERIES_EACH, SPACING};
use crate::flow::clock::{Millis, millis};
use crate::objects::document::list;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The series of one service.
#[derive(Debug, Default)]
pub(super) struct Samples {
    series: Vec<Series>,
}

/// The average of one attribute over the nodes of one role.
#[derive(Debug)]
struct Series {
    role: String,
    name: String,
    now: Option<f64>,
    points: VecDeque<Point>,
}

#[derive(Debug)]
struct Point {
    /// The board's version with it.
    version: u64,
    at: Millis,
    value: Option<f64>,
}

/// When samples are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// By the system's clock.
    pub(super) at: Millis,
    /// The version that the board has with them.
    pub(super) version: u64,
    /// How many series there are in all.
    pub(super) series: usize,
}

/// What came of taking samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sampled {
    /// There are new points.
    pub(super) added: bool,
    /// A value changed too soon after its last point, and gets its own later.
    pub(super) is_left: bool,
}

impl Samples {
    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Takes the values from a service's report; there is room for so many series.
    pub(super) fn update(&mut self, report: &Value, room: usize) {
        let mut before = std::mem::take(&mut self.series);
        for role in list(report.get("roles")) {
            let name = role["name"].as_str().unwrap_or_default();
            for (attribute, average) in role["averages"].as_object().into_iter().flatten() {
                if self.series.len() >= room.min(SERIES_EACH) {
                    return;
                }
                let known = before
                    .iter()
                    .position(|old| old.role == name && old.name == *attribute);
                let mut series = match known {
                    Some(at) => before.swap_remove(at),
                    None => Series {
                        role: name.to_owned(),
                        name: attribute.clone(),
                        now: None,
                        points: VecDeque::new(),
                    },
                };
                series.now = average.as_f64();
                self.series.push(series);
            }
        }
    }

    /// Takes a point of each series that has changed.
    pub(super) fn take(&mut self, moment: Moment) -> Sampled {
        let mut taken = Sampled::default();
        for series in &mut self.series {
            let one = series.take(moment);
            taken.added |= one.added;
            taken.is_left |= one.is_left;
        }
        taken
    }

    /// The points that came after this version of the board, as JSON; `None` where there are none.
    pub(super) fn since(&self, version: u64) -> Option<Value> {
        let new = self.series.iter().filter_map(|series| {
            let points = series.points.iter();
            let points = points.skip_while(|point| point.version <= version);
            let points: Vec<Value> = points.map(|one| json!([one.at, one.value])).collect();
            let one = json!({"role": series.role, "name": series.name, "points": points});
            (!points.is_empty()).then_some(one)
        });
        let new: Vec<Value> = new.collect();
        (!new.is_empty()).then(|| new.into())
    }
}

impl Series {
    fn take(&mut self, moment: Moment) -> Sampled {
        let at = moment.at;
        // From before the clock was set back.
        while self.points.back().is_some_and(|last| last.at > at) {
            self.points.pop_back();
        }
        let last = self.points.back();
        if last.is_some_and(|last| last.value == self.now) {
            return Sampled::default();
        }
        if last.is_some_and(|last| at - last.at < spacing(moment.series)) {
            return Sampled {
                added: false,
                is_left: true,
            };
        }
        self.points.push_back(Point {
            version: moment.version,
            at,
            value: self.now,
        });
        // One from before then: its value is that at the beginning.
        let begin = at.saturating_sub(millis(KEPT));
        while self.points.get(1).is_some_and(|second| second.at <= begin) {
            self.points.pop_front();
        }
        Sampled {
            added: true,
            is_left: false,
        }
    }
}

/// The least time between two points where there are so many series.
fn spacing(series: usize) -> Millis {
    let of_all = millis(KEPT) * Millis::try_from(series).unwrap_or(Millis::MAX >> 32);
    millis(SPACING).max(of_all / POINTS as Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(averages: Value) -> Value {
        json!({"roles": [{"name": "web", "averages": averages}]})
    }

    fn take(samples: &mut Samples, at: Millis, series: usize) -> Sampled {
        let version = u64::try_from(at).unwrap();
        samples.take(Moment {
            at,
            version,
            series,
        })
    }

    const ADDED: Sampled = Sampled {
        added: true,
        is_left: false,
    };
    const LEFT: Sampled = Sampled {
        added: false,
        is_left: true,
    };

    #[test]
    fn a_point_is_taken_where_a_value_changed_and_the_last_is_a_second_old() {
        let mut samples = Samples::default();
        for (at, value, taken) in [
            (1000, json!(5.5), ADDED),
            (3000, json!(5.5), Sampled::default()),
            (3001, json!(null), ADDED),
            (3500, json!(7.0), LEFT),
            (3999, json!(8.0), LEFT),
            (4001, json!(8.0), ADDED),
            // The clock was set back.
            (3500, json!(8.0), LEFT),
            (4100, json!(8.0), ADDED),
        ] {
            samples.update(&report(json!({"CPU": value})), 10);
            assert_eq!(take(&mut samples, at, 1), taken, "{at}");
        }
        let points = |version| samples.since(version).map(|all| all[0]["points"].clone());
        assert_eq!(
            points(0),
            Some(json!([[1000, 5.5], [3001, null], [4100, 8.0]]))
        );
        assert_eq!(points(3001), Some(json!([[4100, 8.0]])));
        assert_eq!(points(4100), None);
    }

    #[test]
    fn ten_minutes_are_kept_in_a_budget_of_points() {
        let points = |series: usize| {
            let mut samples = Samples::default();
            for second in 0..3600 {
                samples.update(&report(json!({"CPU": second})), 10);
                take(&mut samples, second * 1000, series);
            }
            let series = &samples.series[0];
            let first = series.points.get(1).map(|point| point.at);
            let last = series.points.back().map(|point| point.at - millis(KEPT));
            assert!(first > last, "{first:?}");
            series.points.len()
        };
        assert_eq!(points(1), 601);
        for series in [200, 1000, 4000] {
            let kept = (points(series) - 2) * series;
            assert!(kept <= POINTS, "{series}: {kept}");
        }
    }

    #[test]
    fn series_come_and_go_with_what_policies_name_and_there_is_room_for_some() {
        let mut samples = Samples::default();
        samples.update(&report(json!({"A": 1, "B": 2})), 10);
        take(&mut samples, 1000, 2);
        samples.update(&report(json!({"B": 3, "C": 4, "D": 5})), 2);
        take(&mut samples, 5000, 2);
        let all = samples.since(0).unwrap();
        assert_eq!(all[0]["points"], json!([[1000, 2.0], [5000, 3.0]]));
        assert_eq!(all[1]["name"], json!("C"));
        assert_eq!(samples.len(), 2);
    }
}
