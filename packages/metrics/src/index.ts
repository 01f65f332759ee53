export { metricNames } from "./names.ts";
export { metricsObserver } from "./observer.ts";
