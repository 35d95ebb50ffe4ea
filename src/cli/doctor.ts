import { Command } from 'commander';
import type { Config } from '../config.ts';
import { CommandError, serverUrl } from './api-client.ts';
import { checkAudit } from './doctor/audit.ts';
import { type Check, fail, type Level } from './doctor/check.ts';
import { checkConfig, checkDataDir, checkNode } from './doctor/host.ts';
import { checkNotices } from './doctor/notices.ts';
import { checkApi, checkClock, checkMetrics, metricsUrl, type Probe } from './doctor/server.ts';
import { checkSignOn } from './doctor/sign-on.ts';
import { checkAdminTokens, checkIngest, tokenOf } from './doctor/tokens.ts';
import type { EmitIo } from './emit.ts';
import { localUrl } from './local-secrets.ts';

const marks: Readonly<Record<Level, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

/** Makes the `doctor` subcommand: looks at everything notafter depends on and says what to do. */
export const doctorCommand = (io: EmitIo): Command =>
  new Command('doctor')
    .description('check this host, the stores and the running server, and say what to do')
    .option('--json', 'print the checks as one line of JSON')
    .addHelpText('after', '\nExit codes: 0 nothing failed (warnings may be there), 1 something failed.')
    .action(async ({ json }: { json?: boolean }) => {
      process.exitCode = await runDoctor(io, json === true);
    });

/** Runs every check and prints them. @returns 1 when one failed. */
export const runDoctor = async (io: EmitIo, json: boolean): Promise<0 | 1> => {
  const checks = await allChecks(io);
  const failed = checks.some(({ level }) => level === 'fail');
  if (json) io.stdout(JSON.stringify({ ok: !failed, checks }));
  else for (const check of checks) io.stdout(lineOf(check));
  return failed ? 1 : 0;
};

const lineOf = ({ name, level, message, todo }: Check): string =>
  `${marks[level]}  ${name.padEnd(10)}  ${message}${todo === undefined ? '' : `: ${todo}`}`;

const allChecks = async (io: EmitIo): Promise<Check[]> => {
  const { config, checks } = checkConfig(io.env);
  const here = [checkNode(process.versions.node), ...checks];
  if (config === null) return here;
  // The clients of the stores are large, and no other command needs them.
  const { checkDatabase, checkRedis } = await import('./doctor/stores.ts');
  return [
    ...here,
    checkDataDir(config.NOTAFTER_DATA_DIR),
    ...(await checkDatabase(config)),
    ...(await checkRedis(config)),
    ...(await serverChecks(io, config)),
  ];
};

const answeringChecks = async (probe: Probe, url: string, config: Config, env: EmitIo['env']): Promise<Check[]> => [
  await checkAdminTokens(probe, url, config, env),
  await checkIngest(probe, url, env),
  ...(await checkNotices(probe, url, tokenOf(env))),
  ...(await checkAudit(probe, url, tokenOf(env))),
];

const serverChecks = async ({ env, fetch, now }: EmitIo, config: Config): Promise<Check[]> => {
  const probe: Probe = { fetch, now };
  let url: string;
  try {
    url = serverUrl(env);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [fail('api', 'NOTAFTER_URL is not an address', error.message)];
  }
  const api = await checkApi(probe, url);
  const answers = !('why' in api.page);
  return [
    ...api.checks,
    ...checkClock(api.page, now(), config.CERT_EVENT_MAX_AGE_SECONDS),
    ...(answers ? await answeringChecks(probe, url, config, env) : []),
    ...(await checkSignOn(probe, config)),
    ...(await checkMetrics(probe, metricsUrl(url, env), config, url !== localUrl(env))),
  ];
};
