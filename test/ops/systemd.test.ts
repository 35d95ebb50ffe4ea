import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { variables } from '../../src/config-variables.ts';
import { requireBinary } from '../support/binaries.ts';
import { output, read } from './support/files.ts';

let folder: string;
let unit: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'notafter-unit-'));
  unit = path.join(folder, 'notafter@serve.service');
  writeFileSync(unit, read('ops/systemd/notafter@.service'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = read('ops/systemd/notafter@.service');

describe('ops/systemd/notafter@.service', () => {
  it('leaves the program little to reach, as systemd itself judges', async () => {
    const judged = await output(
      requireBinary('systemd-analyze'),
      'security',
      '--offline=true',
      '--no-pager',
      '--threshold=15',
      unit,
    );
    expect(Number(/Overall exposure level for \S+: ([\d.]+)/.exec(judged)?.[1])).toBeLessThanOrEqual(1.5);
  });

  it('gives it the time that it needs to drain, and secrets as credentials only', () => {
    expect(Number(/TimeoutStopSec=(\d+)/.exec(text)?.[1])).toBeGreaterThan(25);
    expect(text).not.toMatch(/^Environment=.*(?:TOKEN|SECRET|PASSWORD|KEYS?|URL)=/m);
    expect(text.match(/^LoadCredential=/gm)?.length).toBeGreaterThan(3);
  });

  it('sets what notafter knows', () => {
    const named = [...text.matchAll(/\b(NOTAFTER_\w+|CERT_\w+)=/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in variables))).toEqual([]);
  });
});
