import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireBinary } from '../../support/binaries.ts';
import type { Pebble } from './pebble.ts';
import { run } from './run.ts';

const hook = fileURLToPath(new URL('../../../ops/hooks/lego-hook', import.meta.url));

export interface LegoOptions {
  /** A folder of its own. */
  readonly home: string;
  readonly domain: string;
  readonly pebble: Pebble;
  /** NOTAFTER_* settings of its hook; null runs it without. */
  readonly emit: Readonly<Record<string, string>> | null;
}

/** A host on which lego keeps the certificate of one name. */
export interface LegoHost {
  readonly certificate: string;
  readonly key: string;
  /** As events and observations write the certificate that is on disk now. */
  ref(): string;
  issue(): Promise<void>;
  renew(): Promise<void>;
}

export const legoHost = ({ home, domain, pebble, emit }: LegoOptions): LegoHost => {
  const settings = path.join(home, 'emit.env');
  mkdirSync(home);
  if (emit !== null) {
    const lines = Object.entries(emit).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(settings, lines.join(''));
  }
  const stem = path.join(home, 'lego/certificates', domain);
  const common = ['--server', pebble.directoryUrl, '--accept-tos', '--email', 'tls@example.test', '--path', 'lego'];
  const lego = async (...args: readonly string[]): Promise<void> => {
    const all = [...common, '--http', '--http.webroot', pebble.webroot, '--domains', domain, ...args];
    const env = { NOTAFTER_CONFIG: settings, LEGO_CA_CERTIFICATES: pebble.caFile };
    const { code, stdout, stderr } = await run(requireBinary('lego'), all, { cwd: home, env });
    if (code !== 0) throw new Error(`lego ended with ${code}:\n${stdout}${stderr}`);
  };
  const hookArgs = (flag: string, word: string): string[] => (emit === null ? [] : [flag, `${hook} ${word}`]);
  return {
    certificate: `${stem}.crt`,
    key: `${stem}.key`,
    ref: () => {
      const { fingerprint256 } = new X509Certificate(readFileSync(`${stem}.crt`));
      return `sha256:${fingerprint256.replaceAll(':', '')}`;
    },
    issue: () => lego('run', ...hookArgs('--run-hook', 'run')),
    renew: () => lego('renew', '--days', '9999', '--no-random-sleep', ...hookArgs('--renew-hook', 'renew')),
  };
};
