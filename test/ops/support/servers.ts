import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireBinary } from '../../support/binaries.ts';
import { startChild } from '../../support/child.ts';
import { freePort } from '../../support/ports.ts';
import { waitFor } from '../../support/wait.ts';

export interface OpsServer extends AsyncDisposable {
  readonly url: string;
}

const start = async (name: string, args: (data: string) => readonly string[]): Promise<OpsServer> => {
  const file = requireBinary(name);
  const data = mkdtempSync(path.join(tmpdir(), `notafter-${name}-`));
  const port = await freePort();
  const child = startChild(file, [`--web.listen-address=127.0.0.1:${port}`, '--log.level=warn', ...args(data)]);
  const url = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    await child.stop();
    rmSync(data, { recursive: true, force: true });
  };
  await waitFor(async () => child.hasExited() || (await fetch(`${url}/-/ready`)).ok, { timeoutMs: 20_000, what: name });
  if (!child.hasExited()) return { url, [Symbol.asyncDispose]: stop };
  await stop();
  throw new Error(`${name} ended at once:\n${child.output()}`);
};

/** A Prometheus with this configuration, its data in a folder of its own. */
export const startPrometheus = (config: string): Promise<OpsServer> =>
  start('prometheus', (data) => [`--config.file=${config}`, `--storage.tsdb.path=${data}`]);

/** An Alertmanager with this configuration, alone. */
export const startAlertmanager = (config: string): Promise<OpsServer> =>
  start('prometheus-alertmanager', (data) => [
    `--config.file=${config}`,
    `--storage.path=${data}`,
    '--cluster.listen-address=',
  ]);
