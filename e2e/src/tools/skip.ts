export { skipUnless, skipWhen, type ToolTest } from "@litestream/testkit/skip";
