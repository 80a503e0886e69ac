//! What the simulated phones do: a week of three people, as phones are.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

/// The people. The demo gives each a suffix of its own, so that it can run again in the same folder.
pub(super) const DEMO_USERS: [&str; 3] = ["ana", "ben", "cleo"];
const ANA: usize = 0;
const BEN: usize = 1;
const CLEO: usize = 2;

/// How a summary is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendMode {
    /// Signed now.
    Signed,
    /// The very request before, byte for byte.
    SameBytesAgain,
    /// Signed with a key that is not the phone's.
    WrongSignature,
    /// Signed by a clock that is an hour slow.
    SlowClock,
}

/// One post.
pub(super) struct DemoPost {
    pub(super) user_index: usize,
    pub(super) date: Date,
    pub(super) description: &'static str,
    pub(super) body: Value,
    pub(super) mode: SendMode,
}

/// The week that ended yesterday.
pub(super) fn demo_week(now: Timestamp) -> Vec<DemoPost> {
    let today = jiff::tz::Offset::UTC.to_datetime(now).date();
    let day = |ago: i8| (0..ago).fold(today, |date, _| date.yesterday().unwrap_or(date));
    let mut week = WeekBuilder(Vec::new());
    for ago in (1..=7).rev() {
        let date = day(ago);
        let steps = 6_000 + 700 * i32::from(ago);
        week.post(ANA, date, "morning: the steps so far", "09:00", json!({ "steps": steps / 4 }));
        let evening = json!({ "steps": steps, "resting_hr": 56 + ago, "sleep_hours": 7.4, "hrv": 46.2 });
        week.post(ANA, date, "evening: the whole day", "22:30", evening);
        match ago {
            6 => {
                week.post(
                    BEN,
                    date,
                    "evening: the whole day",
                    "21:00",
                    json!({ "steps": 10_400, "resting_hr": 61 }),
                );
                week.post(
                    BEN,
                    day(7),
                    "was offline: the day before arrives late",
                    "21:00",
                    json!({ "steps": 8_150 }),
                );
            }
            5 => {
                week.post(CLEO, date, "evening comes first", "22:00", json!({ "steps": 7_900, "hrv": 51.5 }));
                week.post(
                    CLEO,
                    date,
                    "morning comes after it, with the sleep that was missing",
                    "08:00",
                    json!({ "steps": 1_200, "sleep_hours": 6.8 }),
                );
                week.post(
                    CLEO,
                    date,
                    "noon comes last, with nothing new",
                    "12:00",
                    json!({ "steps": 4_000 }),
                );
            }
            4 => {
                let run = json!([{ "type": "running", "duration": 42, "calories": 418.5, "start_time": format!("{date}T06:22:00Z") }]);
                week.post(BEN, date, "a run", "07:10", json!({ "workouts": run }));
                week.send(BEN, date, "the answer got lost: the same bytes again", SendMode::SameBytesAgain);
                week.post(
                    BEN,
                    date,
                    "the same run in a later summary",
                    "21:00",
                    json!({ "workouts": run, "steps": 12_050 }),
                );
            }
            3 => {
                week.post(
                    CLEO,
                    date,
                    "evening: the whole day",
                    "22:00",
                    json!({ "steps": 8_800, "resting_hr": 59 }),
                );
                week.post(
                    CLEO,
                    date,
                    "reinstalled: the same summary, signed anew",
                    "22:00",
                    json!({ "steps": 8_800, "resting_hr": 59 }),
                );
            }
            2 => {
                week.post(BEN, date, "somebody else's key", "21:00", json!({ "steps": 99_999 }));
                week.sending(SendMode::WrongSignature);
                week.post(BEN, date, "a clock that is an hour slow", "21:00", json!({ "steps": 9_300 }));
                week.sending(SendMode::SlowClock);
                week.post(BEN, date, "the clock is set: again", "21:00", json!({ "steps": 9_300 }));
            }
            1 => {
                week.post(
                    CLEO,
                    date,
                    "a broken sensor",
                    "20:00",
                    json!({ "steps": 8_000, "resting_hr": 412, "hrv": -3 }),
                );
                week.post(CLEO, date, "the sensor is left out", "20:00", json!({ "steps": 8_000 }));
            }
            _ => {}
        }
    }
    week.0
}

struct WeekBuilder(Vec<DemoPost>);

impl WeekBuilder {
    fn post(&mut self, person: usize, date: Date, what: &'static str, time: &str, values: Value) {
        let mut body = values;
        body["date"] = json!(date);
        body["generated_at"] = json!(format!("{date}T{time}:00Z"));
        self.0.push(DemoPost { user_index: person, date, description: what, body, mode: SendMode::Signed });
    }

    fn send(&mut self, person: usize, date: Date, what: &'static str, sending: SendMode) {
        self.0.push(DemoPost {
            user_index: person,
            date,
            description: what,
            body: Value::Null,
            mode: sending,
        });
    }

    /// The last scene is sent otherwise.
    fn sending(&mut self, sending: SendMode) {
        if let Some(scene) = self.0.last_mut() {
            scene.mode = sending;
        }
    }
}
