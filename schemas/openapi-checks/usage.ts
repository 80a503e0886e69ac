import type { components, operations, paths } from "./target/client";
const summary: components["schemas"]["Summary"] = {
  date: "2026-02-16", generated_at: "2026-02-16T23:59:45Z", steps: 9234,
  workouts: [{ type: "running", start_time: "2026-02-16T06:22:00Z", duration: 42 }],
};
const post: operations["postSummary"]["requestBody"]["content"]["application/json"] = summary;
const outcome: paths["/v1/summaries"]["post"]["responses"][201]["content"]["application/json"]["outcome"] = "merged";
// @ts-expect-error: not an outcome
const wrong: typeof outcome = "erased";
// @ts-expect-error: the date is required
const undated: components["schemas"]["Summary"] = { generated_at: "2026-02-16T23:59:45Z" };
export { post, outcome, wrong, undated };
