//! What providers tell, as far as it is known: enough of it that the users stand where they stand in earnest.

use serde_json::{Value, json};

use super::Scheme;

/// A body about these users. Only Fitbit, Google and Garmin tell of several at once.
pub(super) fn sample_body(scheme: Scheme, users: &[&str]) -> Vec<u8> {
    let one = || {
        assert_eq!(users.len(), 1, "{scheme:?} tells of one user at a time");
        users[0]
    };
    let each = |make: &dyn Fn(&str) -> Value| Value::Array(users.iter().map(|user| make(user)).collect());
    let body = match scheme {
        Scheme::Withings => {
            return format!("userid={}&appli=16&startdate=1795219200&enddate=1795305600", one()).into_bytes();
        }
        Scheme::Fitbit => each(&|user| {
            json!({ "collectionType": "activities", "date": "2026-11-21", "ownerId": user,
                    "ownerType": "user", "subscriptionId": "1" })
        }),
        Scheme::GoogleHealth => each(&|user| {
            json!({ "data": { "version": "1", "clientProvidedSubscriptionName": "steps", "healthUserId": user,
                              "operation": "UPSERT", "dataType": "steps",
                              "intervals": [{ "civilIso8601TimeInterval":
                                  { "startTime": "2026-11-21T00:00:00", "endTime": "2026-11-22T00:00:00" } }] } })
        }),
        Scheme::Garmin => json!({ "dailies": each(&|user| {
            json!({ "userId": user, "summaryId": format!("summary-{user}"), "calendarDate": "2026-11-21", "steps": 4210 })
        }) }),
        Scheme::Oura => json!({ "event_type": "update", "data_type": "daily_activity", "object_id": "9f2b",
                                "event_time": "2026-11-21T20:00:00+00:00", "user_id": one() }),
        Scheme::Whoop => json!({ "user_id": numeric_id(one()), "id": "ecfc6a15-4661-442f-a9a4-f160dd7afae8",
                                 "type": "sleep.updated", "trace_id": "e369c784" }),
        Scheme::Polar => json!({ "event": "EXERCISE", "user_id": numeric_id(one()), "entity_id": "aQlC83",
                                 "timestamp": "2026-11-21T20:00:00Z",
                                 "url": "https://www.polaraccesslink.com/v3/exercises/aQlC83" }),
        Scheme::Strava => {
            json!({ "aspect_type": "create", "event_time": 1_795_291_200, "object_id": 1_360_128_428,
                                  "object_type": "activity", "owner_id": numeric_id(one()),
                                  "subscription_id": 120_475, "updates": {} })
        }
        Scheme::Suunto => json!({ "type": "SUUNTO_247_ACTIVITY_CREATED", "username": one(), "samples": [] }),
        Scheme::Terra => json!({ "type": "activity", "status": "success",
                                 "user": { "user_id": one(), "provider": "FITBIT", "reference_id": null }, "data": [] }),
        Scheme::Junction => json!({ "event_type": "daily.data.activity.created", "user_id": one(),
                                    "client_user_id": "ours", "team_id": "team", "data": {} }),
        Scheme::StandardWebhooks => json!({ "type": "day.created", "timestamp": "2026-11-21T20:00:00Z",
                                            "data": { "user_id": one() } }),
    };
    body.to_string().into_bytes()
}

/// These providers' ids are numbers; a test may make up another.
fn numeric_id(user: &str) -> Value {
    user.parse::<u64>().map_or_else(|_| json!(user), |number| json!(number))
}
