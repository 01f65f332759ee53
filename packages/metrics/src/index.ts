export { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";
export { metricsObserver, observe, type Observation, type ObserveOptions } from "./observe.ts";
export type { Observed, Watched } from "./observed.ts";
/** prom-client's own, for who has no registry yet. */
export { Registry } from "prom-client";
export { type Definition, definitions as metricDefinitions, type MetricKey } from "./names.ts";
export { collectProcessMetrics } from "./process-metrics.ts";
export { openMetricsContentType, openMetricsText } from "./openmetrics.ts";
export { type ListenAddress, parseAddress } from "./serve/address.ts";
export type { HttpLimits } from "./serve/http-server.ts";
export { serve, type ServeOptions, type StatusServer } from "./serve/serve.ts";
export type { DatabaseDocument, StatusDocument } from "./serve/status-document.ts";
