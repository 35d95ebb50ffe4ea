import type { Scenario } from '../scenario.ts';
import { figureScenarios } from './figures.ts';
import { loadScenarios } from './load.ts';
import { mix } from './mix.ts';
import { processScenarios } from './processes.ts';
import { queueScenarios } from './queue-loss.ts';
import { shutdownScenarios } from './shutdown.ts';
import { timeScenarios } from './time.ts';

/** Every scenario, in the order of the fault matrix. */
export const scenariosOf = (size: { readonly events: number; readonly faults: number }): Scenario[] =>
  [
    ...processScenarios,
    ...queueScenarios,
    mix(size),
    ...loadScenarios,
    ...timeScenarios,
    ...shutdownScenarios,
    ...figureScenarios(10 * size.events),
  ].toSorted((a, b) => (a.row ?? 99) - (b.row ?? 99));
