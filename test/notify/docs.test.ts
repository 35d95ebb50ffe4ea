import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseNotifyConfig } from '../../src/lifecycle/notify-config.ts';
import { requireBinary } from '../support/binaries.ts';
import { fire, now, openChannel, secrets, settingsFor, webhookSecret } from './fixtures.ts';
import { type Received, startReceiver } from './receiver.ts';

const page = readFileSync(new URL('../../docs/notifications.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text);

const receive = async (): Promise<Received> => {
  const receiver = await startReceiver();
  try {
    await openChannel(settingsFor.runbook('127.0.0.1', receiver.port)).send(fire);
    const [one] = receiver.received;
    if (one === undefined) throw new Error('nothing was received');
    return one;
  } finally {
    await receiver.close();
  }
};

const inFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-docs-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

describe('the page on notifications', () => {
  it('shows a document that can be used', () => {
    const [document = ''] = blocks('json').filter((text) => text.includes('"routes"'));
    expect(parseNotifyConfig(document)).toHaveProperty('config');
  });

  it('shows channels that can be used', () => {
    const channels = blocks('json').filter(
      (text) => /^\{\s*"type": "[a-z]+",/.test(text) && !text.includes('certificate.'),
    );
    expect(channels).toHaveLength(8);
    for (const channel of channels) {
      const text = `{"channels": {"it": ${channel.replaceAll('…', 'x')}}, "routes": []}`;
      expect(parseNotifyConfig(text)).toHaveProperty('config');
    }
  });

  it('shows code that knows what is genuine', async () => {
    const { headers, body } = await receive();
    const [code = ''] = blocks('ts');
    await inFolder(async (folder) => {
      const file = path.join(folder, 'check.mts');
      writeFileSync(file, code);
      const module = (await import(pathToFileURL(file).href)) as {
        isGenuine(headers: unknown, body: Uint8Array, secret: string, now: number): boolean;
      }; // the code on the page
      const bytes = Buffer.from(body);
      for (const secret of [secrets.signing, webhookSecret])
        expect(module.isGenuine(headers, bytes, secret, now)).toBe(true);
      expect(module.isGenuine(headers, bytes, 'another', now)).toBe(false);
      expect(module.isGenuine(headers, Buffer.from(`${body} `), secrets.signing, now)).toBe(false);
      expect(module.isGenuine(headers, bytes, secrets.signing, now + 301_000)).toBe(false);
    });
  });

  it('shows a command that makes the signature of a runbook webhook', async () => {
    requireBinary('openssl');
    const { headers, body } = await receive();
    const [command = ''] = blocks('sh').filter((text) => text.includes('openssl'));
    await inFolder(async (folder) => {
      writeFileSync(path.join(folder, 'body.json'), body);
      const env = { ...process.env, TIMESTAMP: String(headers['x-fdt-timestamp']), SECRET: secrets.signing };
      const printed = execFileSync('/bin/sh', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
      expect(printed.trim()).toBe(headers['x-fdt-signature']);
    });
  });
});
