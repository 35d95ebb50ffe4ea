import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

// Waits until its input closes, which happens however the starter ends; then ends the server and removes its folder.
const script = `cat >/dev/null
pid=$(head -n 1 "$0/cluster/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && sleep 1
rm -rf "$0"`;

/** Ends the embedded server on `dataDir` and removes the folder even when this process is killed before it can. */
export const guardServer = (dataDir: string): void => {
  const guard = spawn('/bin/sh', ['-c', script, dataDir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  // Neither the guard nor the pipe to it keeps this process running.
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  guard.unref();
};
