import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installCli } from './support/cli.ts';
import { startIngest } from './support/ingest.ts';
import type { IngestServer } from './support/ingest.ts';
import { run } from './support/run.ts';
import type { RunResult } from './support/run.ts';

// lego 5 and certbot from 2.7 on are not at hand everywhere: here the scripts get what those clients give their hooks.
const hooks = new URL('../../ops/hooks/', import.meta.url).pathname;
const chain = new URL('support/pem/chain.pem', import.meta.url).pathname;
const names = ['www.example.com', '*.example.com', 'example.com'];
const identity = { token: 'token-1', secret: 'secret-1', source: 'acme', cluster: 'web-1' };
let ingest: IngestServer;
let directory: string;
let config: string;

beforeEach(async () => {
  ingest = await startIngest(identity);
  directory = mkdtempSync(join(tmpdir(), 'notafter-hooks-'));
  config = join(directory, 'emit.env');
  writeFileSync(
    config,
    [
      `NOTAFTER_CLI=${await installCli(directory)}`,
      `NOTAFTER_URL=${ingest.url}`,
      'NOTAFTER_SOURCE=acme',
      'NOTAFTER_CLUSTER=web-1',
      'NOTAFTER_INGEST_TOKEN=token-1',
      'NOTAFTER_SOURCE_KEY=secret-1',
      `NOTAFTER_SPOOL=${join(directory, 'spool')}`,
      '',
    ].join('\n'),
  );
});
afterEach(async () => {
  await ingest[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const hook = (name: string, args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> =>
  run(join(hooks, name), args, { cwd: directory, env: { NOTAFTER_CONFIG: config, ...env } });
const seen = (): string[] =>
  ingest.accepted.map(({ body }) => `${String(body['eventType'])} ${String(body['domain'])}`);
const each = (type: string, domains: readonly string[] = names): string[] =>
  domains.map((domain) => `${type} ${domain}`);
const place = (path: string): string => {
  const full = join(directory, path);
  mkdirSync(join(full, '..'), { recursive: true });
  copyFileSync(chain, full);
  return full;
};
const client = (name: string, script: string): string => {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
};

describe('lego-hook with lego 4', () => {
  it.each([
    ['run', 'issuance_succeeded'],
    ['renew', 'renewal_succeeded'],
  ])('reports every name after %s', async (word, type) => {
    const certificate = place('.lego/certificates/www.example.com.crt');
    const env = { LEGO_CERT_DOMAIN: 'www.example.com', LEGO_CERT_PATH: certificate, LEGO_CERT_KEY_PATH: '/no/key' };
    expect(await hook('lego-hook', [word], env)).toMatchObject({ code: 0, stderr: '' });
    expect(seen()).toEqual(each(type));
  });
});

describe('lego-hook with lego 5', () => {
  const asked = { LEGO_HOOK_CERT_DOMAINS: names.join(','), LEGO_HOOK_CERT_KEY_TYPE: 'EC256' };
  const named = { ...asked, LEGO_HOOK_CERT_NAME: 'site', LEGO_HOOK_CERT_NAME_SANITIZED: 'site' };

  it('reports a first issuance once', async () => {
    await hook('lego-hook', ['pre'], asked);
    const deployed = { ...named, LEGO_HOOK_CERT_PATH: place('.lego/certificates/site.crt') };
    await hook('lego-hook', ['deploy'], deployed);
    await hook('lego-hook', ['post'], deployed);
    expect(seen()).toEqual(each('issuance_succeeded'));
  });

  it('reports a renewal as one, and leaves no mark behind', async () => {
    const deployed = { ...named, LEGO_HOOK_CERT_PATH: place('.lego/certificates/site.crt') };
    await hook('lego-hook', ['pre'], named);
    await hook('lego-hook', ['deploy'], deployed);
    await hook('lego-hook', ['post'], deployed);
    expect(seen()).toEqual(each('renewal_succeeded'));
    expect(existsSync(join(directory, `.lego/.notafter-renewal-${process.pid}`))).toBe(false);
  });

  it.each([
    ['renewal_failed', 'site'],
    ['issuance_failed', 'other'],
  ])('reports a %s when post comes without deploy', async (type, kept) => {
    place(`.lego/certificates/${kept}.crt`);
    await hook('lego-hook', ['pre'], named);
    expect(await hook('lego-hook', ['post'], named)).toMatchObject({ code: 0, stderr: '' });
    expect(seen()).toEqual(each(type));
  });

  it('is not misled by the path of the certificate before', async () => {
    await hook('lego-hook', ['post'], { ...named, LEGO_HOOK_CERT_PATH: place('.lego/certificates/before.crt') });
    expect(seen()).toEqual(each('issuance_failed'));
  });

  it('says what is missing when lego gives no names', async () => {
    const result = await hook('lego-hook', ['post']);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('--pre-hook') });
    expect(seen()).toEqual([]);
  });
});

describe('certbot hooks', () => {
  it.each([
    ['cert1.pem', 'issuance_succeeded'],
    ['cert2.pem', 'renewal_succeeded'],
    ['cert11.pem', 'renewal_succeeded'],
  ])('tell from %s that it is a %s', async (file, type) => {
    place(`archive/site/${file}`);
    mkdirSync(join(directory, 'live/site'), { recursive: true });
    symlinkSync(`../../archive/site/${file}`, join(directory, 'live/site/cert.pem'));
    const env = { RENEWED_LINEAGE: join(directory, 'live/site'), RENEWED_DOMAINS: names.join(' ') };
    expect(await hook('certbot-deploy-hook', [], env)).toMatchObject({ code: 0, stderr: '' });
    expect(seen()).toEqual(each(type));
  });

  it('report the failed names alone, though the renewed ones are still set', async () => {
    const env = {
      FAILED_DOMAINS: 'a.example *.b.example 192.0.2.1',
      RENEWED_DOMAINS: 'c.example',
      RENEWED_LINEAGE: '/x',
    };
    expect(await hook('certbot-post-hook', [], env)).toMatchObject({ code: 0 });
    expect(seen()).toEqual(each('renewal_failed', ['a.example', '*.b.example']));
  });

  it.each([
    ['nothing failed', { FAILED_DOMAINS: '', RENEWED_DOMAINS: 'c.example' }],
    ['the version says nothing of failures', { RENEWED_DOMAINS: 'c.example' }],
    ['acme-run reports', { FAILED_DOMAINS: 'a.example', NOTAFTER_ACME_RUN: '1' }],
  ])('stay silent after a batch when %s', async (_, env) => {
    expect(await hook('certbot-post-hook', [], env)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(seen()).toEqual([]);
  });
});

describe('acme-run', () => {
  it('lets the client be seen as if it ran alone', async () => {
    const lego = client('lego', 'echo "args: $*"; echo warning >&2; exit 0');
    const result = await hook('acme-run', [lego, 'renew', '-d', '*.example.com']);
    expect(result).toEqual({ code: 0, stdout: 'args: renew -d *.example.com\n', stderr: 'warning\n' });
    expect(seen()).toEqual([]);
  });

  it.each([
    [['--email', 'me@example.com', '-d', 'a.example', '-d', '*.a.example', 'renew'], 'renewal_failed'],
    [['--domains=a.example,*.a.example', '--path', 'store', 'run'], 'renewal_failed'],
    [['--domains', 'a.example', '-d=*.a.example', 'run'], 'issuance_failed'],
  ])('reports lego %j that fails as %s, with its last words', async (args, type) => {
    place('store/certificates/a.example.crt');
    const lego = client('lego', 'echo fine; echo first >&2; echo "acme: error: 403 $ECHO" >&2; echo >&2; exit 5');
    const result = await hook('acme-run', [lego, ...args], { ECHO: '"quoted" `words`' });
    expect(result.code).toBe(5);
    expect(result.stderr).toContain('first\nacme: error: 403');
    expect(seen()).toEqual(each(type, ['a.example', '*.a.example']));
    expect(ingest.accepted[0]?.body).toMatchObject({ reason: 'acme: error: 403 "quoted" `words`' });
  });

  it('reports each lineage that certbot renew names, with its own reason', async () => {
    place('etc/live/site/cert.pem');
    const lines = ['Failed to renew certificate site with error: Some challenges have failed.', '1 renew failure(s)'];
    const certbot = client('certbot', lines.map((line) => `echo '${line}' >&2`).join('\n') + '\nexit 1');
    const result = await hook('acme-run', [certbot, 'renew', '--config-dir', join(directory, 'etc')]);
    expect(result.code).toBe(1);
    expect(seen()).toEqual(each('renewal_failed'));
    expect(ingest.accepted[0]?.body).toMatchObject({ reason: 'Some challenges have failed.' });
  });

  it('reports a first issuance that certbot fails, without its parting words', async () => {
    const certbot = client(
      'certbot',
      "echo 'Some challenges have failed.' >&2; echo 'Ask for help or search for solutions' >&2; exit 1",
    );
    await hook('acme-run', [certbot, 'certonly', '-d', 'a.example', '--config-dir', directory]);
    expect(seen()).toEqual(each('issuance_failed', ['a.example']));
    expect(ingest.accepted[0]?.body).toMatchObject({ reason: 'Some challenges have failed.' });
  });

  it('reports no dry run', async () => {
    const certbot = client('certbot', 'echo no >&2; exit 1');
    expect(await hook('acme-run', [certbot, 'certonly', '-d', 'a.example', '--dry-run'])).toMatchObject({ code: 1 });
    expect(seen()).toEqual([]);
  });

  it('keeps the settings from the client', async () => {
    const lego = client('lego', 'env; exit 1');
    expect((await hook('acme-run', [lego, '-d', 'a.example', 'renew'])).stdout).not.toContain('secret-1');
    expect(seen()).toHaveLength(1);
  });
});

describe('every hook', () => {
  const calls: [string, string[], Record<string, string>][] = [
    ['lego-hook', ['renew'], { LEGO_CERT_PATH: chain }],
    ['certbot-deploy-hook', [], { RENEWED_LINEAGE: '/nonexistent' }],
    ['certbot-post-hook', [], { FAILED_DOMAINS: 'a.example' }],
  ];

  it.each(calls)('%s ends with 0 when the command is missing or the settings are broken', async (name, args, env) => {
    expect(
      (await hook(name, args, { ...env, NOTAFTER_CONFIG: '/nonexistent', NOTAFTER_CLI: '/nonexistent' })).code,
    ).toBe(0);
    writeFileSync(config, 'NOTAFTER_URL="unclosed\n');
    expect((await hook(name, args, env)).code).toBe(0);
  });

  it('acme-run still runs the client then', async () => {
    writeFileSync(config, 'NOTAFTER_URL="unclosed\n');
    const lego = client('lego', 'echo ran; exit 4');
    expect(await hook('acme-run', [lego, '-d', 'a.example', 'renew'])).toMatchObject({ code: 4, stdout: 'ran\n' });
  });
});
