/** The API's shapes, named by the path that answers with them, so that a regenerated schema changes nothing here. */
import type { paths } from "./schema";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Answer<Path extends keyof paths, Method extends "get" | "post" = "get"> = paths[Path][Method] extends {
  responses: infer Responses;
}
  ? Json<Responses[keyof Responses & (200 | 201)]>
  : never;
type Sent<Path extends keyof paths> = paths[Path]["post"] extends { requestBody?: infer Body }
  ? Json<NonNullable<Body>>
  : never;

export type Clock = Answer<"/api/v1/clock">;
export type Community = Answer<"/api/v1/community">;
export type Me = Answer<"/api/v1/me">;
export type Live = Answer<"/api/v1/live">;
export type Home = Live["homes"][number];
export type SeriesPoint = Answer<"/api/v1/series">["points"][number];
export type Scope = "community" | "mine";
export type Interval = Answer<"/api/v1/intervals">[number];
export type Book = Answer<"/api/v1/intervals/{start}/book">;
export type Order = Answer<"/api/v1/orders">[number];
export type Side = Order["side"];
export type AgentOrder = Sent<"/api/v1/orders/agent">;
export type SignedOrder = Sent<"/api/v1/orders">;
export type SignedMandate = Sent<"/api/v1/mandates">;
export type SignedSupply = Sent<"/api/v1/supply-agreements">;
export type Trade = Answer<"/api/v1/trades">[number];
export type Receipt = Answer<"/api/v1/trades/{trade_id}/receipt">;
export type Account = Answer<"/api/v1/account">;
export type Statement = Answer<"/api/v1/statements">;
export type StatementLine = Statement["lines"][number];
export type Plan = Answer<"/api/v1/plan">;
export type Comparison = Answer<"/api/v1/planning/comparison">;
export type Forecasting = Answer<"/api/v1/planning/models">;
export type Report = Answer<"/api/v1/kpi/report">;
export type PipelineStatus = Answer<"/api/v1/pipeline/status">;
