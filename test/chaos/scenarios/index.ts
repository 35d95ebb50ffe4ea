import type { Scenario } from '../scenario.ts';
import { figureScenarios } from './figures.ts';
import { limitScenarios } from './limits.ts';
import { loadScenarios } from './load.ts';
import { mix } from './mix.ts';
import { outsideScenarios } from './outside.ts';
import { postgresScenarios } from './postgres-faults.ts';
import { processScenarios } from './processes.ts';
import { queueScenarios } from './queue-loss.ts';
import { redisScenarios } from './redis-faults.ts';
import { restoreScenarios } from './restore.ts';
import { schedulerScenarios } from './scheduler.ts';
import { shutdownScenarios } from './shutdown.ts';
import { syscallScenarios } from './syscalls.ts';
import { timeScenarios } from './time.ts';

/** Every scenario, in the order of the fault matrix. */
export const scenariosOf = (size: { readonly events: number; readonly faults: number }): Scenario[] =>
  [
    ...processScenarios,
    ...queueScenarios,
    ...redisScenarios,
    ...postgresScenarios,
    ...limitScenarios,
    mix(size),
    ...loadScenarios,
    ...schedulerScenarios,
    ...outsideScenarios,
    ...syscallScenarios,
    ...timeScenarios,
    ...shutdownScenarios,
    ...restoreScenarios,
    ...figureScenarios(10 * size.events),
  ].toSorted((a, b) => (a.row ?? 99) - (b.row ?? 99));
