import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from './postgres.ts';
import { runCli, startApp } from './process.ts';

describe('the built program', () => {
  it('gets ready on a database of its own, and drains on SIGTERM', { timeout: 120_000 }, async () => {
    const database = await createTestDatabase();
    const app = await startApp('all', { env: { DATABASE_URL: database.url } });
    expect((await fetch(`${app.metricsUrl}/livez`)).status).toBe(200);
    expect(await app.stop()).toEqual({ code: 0, signal: null });
    await database.drop();
  });

  it('starts on the embedded database again after it was killed', { timeout: 120_000 }, async () => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-data-'));
    const first = await startApp('all', { dataDir });
    await first.kill9();
    const second = await startApp('all', { dataDir });
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(existsSync(path.join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
    rmSync(dataDir, { recursive: true });
  });

  it('ends with an error that says what to do when it is told nonsense', { timeout: 120_000 }, async () => {
    const { code, output } = await runCli(['serve'], { DATABASE_URL: 'not a url' });
    expect(code).not.toBe(0);
    expect(output).toContain('DATABASE_URL');
    expect(output).not.toMatch(/^\s+at .*\(/m);
  });
});
