import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { listen } from '../../src/http/server.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { tokenOf } from './api.ts';
import { requireBinary } from './binaries.ts';
import { createTestConsole, type TestConsole } from './console.ts';
import { makeFleet } from './fleet.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Debian's Chromium, without a window. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: requireBinary('chromium'), args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** Serves a test console on a free port, under the one name for which browsers keep Secure cookies without TLS. */
export const serveConsole = async ({
  app,
}: Pick<TestConsole, 'app'>): Promise<{ url: string; close(): Promise<void> }> => {
  const server = await listen(app, { host: 'localhost', port: 0, variable: 'PORT', elapsed: () => performance.now() });
  return { url: `http://localhost:${server.port}`, close: () => server.drain(100) };
};

/** The console over the demo's fleet, as it was at `now`, and a browser to look at it with. */
export interface FleetConsole {
  readonly console: TestConsole;
  readonly url: string;
  readonly browser: Browser;
  close(): Promise<void>;
}

export const openFleetConsole = async (now: number): Promise<FleetConsole> => {
  const console = await createTestConsole(now);
  await makeFleet(console.db, now);
  const served = await serveConsole(console);
  const browser = await openBrowser();
  return {
    console,
    url: served.url,
    browser,
    close: async () => {
      await browser.close();
      await served.close();
      await console.close();
    },
  };
};

/** How people look at a page: 1,440 px wide by day and by night, 820 px, and 390 px with a finger. */
export const looks = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  narrow: { viewport: { width: 820, height: 1100 }, colorScheme: 'light' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true },
} as const;
export type Look = keyof typeof looks;

/** What went wrong on a page that no test asked for: policy violations, errors of the script. */
export interface Watched {
  readonly page: Page;
  readonly faults: string[];
}

/** A new page that notes every violation of its content policy and every error. */
export const watchedPage = async (context: BrowserContext): Promise<Watched> => {
  const page = await context.newPage();
  const faults: string[] = [];
  await page.exposeFunction('noteViolation', (text: string) => void faults.push(text));
  await page.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
    noteViolation('policy: ' + event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sample))`);
  page.on('pageerror', (error) => void faults.push(`script: ${error.message}`));
  return { page, faults };
};

/** Signs in with the token of a role, as a person does. */
export const signInAs = async (page: Page, url: string, role: Role): Promise<void> => {
  await page.goto(`${url}/console/login`);
  await page.getByLabel('Access token').fill(tokenOf(role));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${url}/console`);
};

/** What axe-core finds on a page, one line for each; none when all is well. */
export const axeFaults = async (page: Page): Promise<string[]> => {
  await page.evaluate(axeSource);
  const found = await page.evaluate<AxeResults>('axe.run()');
  return found.violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${impact} ${id}: ${target.join(' ')} ${failureSummary ?? ''}`),
  );
};

/** How many pixels a page can be scrolled sideways; none when it fits. */
export const sideways = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** With a folder in CONSOLE_SHOTS, keeps a page there as a picture. */
export const keepShot = async (page: Page, name: string): Promise<void> => {
  const shots = process.env.CONSOLE_SHOTS;
  if (shots === undefined) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
};

/** How a page of the console answers an admin, and all that is wrong with it in this look; its picture is kept by its name. */
export const lookAt = async ({ browser, url }: FleetConsole, look: Look, name: string, address: string) => {
  const context = await browser.newContext(looks[look]);
  const { page, faults } = await watchedPage(context);
  await signInAs(page, url, 'admin');
  const answer = await page.goto(`${url}${address}`);
  await keepShot(page, `${name}-${look}`);
  const found = { status: answer?.status(), axe: await axeFaults(page), sideways: await sideways(page), faults };
  await context.close();
  return found;
};

/** What `lookAt` finds on a page that is whole, within its policy and open to everybody. */
export const whole = { status: 200, axe: [], sideways: 0, faults: [] };
