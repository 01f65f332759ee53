/** A TCP port of the loopback interface that is free at this moment; for programs that cannot choose one themselves. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = server;
  server.stop(true);
  return port;
}
