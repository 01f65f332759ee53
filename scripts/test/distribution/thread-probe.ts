/** Compiled with the command's thread: says what that says when it is started from an executable. */
const worker = new Worker(new URL("./block-thread.js", import.meta.url));
worker.onmessage = ({ data }: MessageEvent<unknown>): void => {
  console.log(JSON.stringify(data));
  worker.terminate();
};
worker.onerror = ({ message }): void => {
  console.log(message);
  process.exitCode = 1;
};
