import type { Actor } from './actor.ts';

/** What may happen next: an actor takes the step it waits for, dies before it, or dies when it is done but not yet heard of. */
export interface Choice {
  readonly actor: number;
  readonly kind: 'step' | 'die' | 'die unheard';
  readonly label: string;
}

const shown = ({ actor, kind, label }: Choice): string =>
  `${'ABC'[actor] ?? '?'} ${kind === 'step' ? '' : `${kind}: `}${label}`;

export interface Touched {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

export interface World {
  readonly actors: readonly Actor[];
  /** Whether a server process waits for a lock that one of the others holds, itself or through those that wait before it. */
  readonly isBlocked: (backend: number, others: readonly number[]) => Promise<boolean>;
  /** How many of the actors may die. */
  readonly deaths: number;
  /** Steps after which an actor may die before it hears of their end. */
  readonly unheard: (label: string) => boolean;
  /** What a step reads and writes; for an actor that dies before it, what it lets go of. */
  readonly touches: (label: string, kind: Choice['kind']) => Touched;
}

/** Waits before its next step, and all before is done: the driver sends statements ahead. */
const isAtStep = ({ turnstile, gate }: Actor): boolean => turnstile.held !== null && !gate.busy();

const heldUp = (actor: Actor, { actors, isBlocked }: World): Promise<boolean> =>
  // What dead actors still hold ends by itself.
  isBlocked(
    actor.gate.backend(),
    actors.filter((one) => one !== actor && !one.isDead()).map(({ gate }) => gate.backend()),
  );

/** Waits until each actor is at a step, over, or held up by a lock. */
const untilStill = async (world: World): Promise<void> => {
  const { actors } = world;
  const deadline = performance.now() + 20_000;
  for (;;) {
    const restless = actors.filter((actor) => !actor.over() && !isAtStep(actor));
    const blocked = new Set<Actor>();
    for (const actor of restless) if (actor.gate.busy() && (await heldUp(actor, world))) blocked.add(actor);
    const open = actors.filter((actor) => !actor.over() && !isAtStep(actor));
    // One that got on meanwhile may have let go of what another was seen to wait for.
    if (open.length === restless.length && open.every((actor) => blocked.has(actor))) return;
    if (performance.now() > deadline)
      throw new Error(`${open.map(({ name }) => name).join(', ')} neither get on nor wait`);
    if (open.length === restless.length) await Promise.race(open.map((actor) => actor.turnstile.news(5)));
  }
};

const choicesOf = ({ actors, deaths, unheard }: World): Choice[] => {
  const mayDie = actors.filter((actor) => actor.isDead()).length < deaths;
  return actors.flatMap((actor, index): Choice[] => {
    if (actor.over()) return [];
    const label = isAtStep(actor) ? actor.turnstile.held : null;
    const die = mayDie ? [{ actor: index, kind: 'die', label: label ?? 'waiting for a lock' } as const] : [];
    if (label === null) return die;
    const late = mayDie && unheard(label) ? [{ actor: index, kind: 'die unheard', label } as const] : [];
    return [{ actor: index, kind: 'step', label }, ...die, ...late];
  });
};

const untilAnswered = async (actor: Actor, before: number, world: World): Promise<void> => {
  while (actor.gate.answered() === before) {
    await actor.turnstile.news(5);
    if (await heldUp(actor, world)) return;
  }
};

const carryOut = async (actor: Actor, { kind }: Choice, world: World): Promise<void> => {
  if (kind === 'die') {
    actor.die();
    return;
  }
  const before = actor.gate.answered();
  if (kind === 'die unheard') actor.gate.mute();
  actor.turnstile.release();
  if (kind === 'step') return;
  await untilAnswered(actor, before, world);
  actor.die();
};

/** Whether two choices lead to the same, whichever comes first, so that one order of them is enough. */
const commute = (a: Choice, b: Choice, { touches }: World): boolean => {
  // One that dies may take the other's right to die.
  if (a.actor === b.actor || (a.kind !== 'step' && b.kind !== 'step')) return false;
  const [one, other] = [touches(a.label, a.kind), touches(b.label, b.kind)];
  const meets = (written: readonly string[], { reads, writes }: Touched): boolean =>
    written.some((what) => reads.includes(what) || writes.includes(what));
  return !meets(one.writes, other) && !meets(other.writes, one);
};

const same = (a: Choice, b: Choice): boolean => a.actor === b.actor && a.kind === b.kind;

interface Turn {
  readonly choices: readonly Choice[];
  readonly taken: number;
  /** Choices whose every continuation is tried by another schedule already. */
  readonly asleep: readonly Choice[];
}

export interface Run {
  readonly turns: readonly Turn[];
  /** False when it was given up, because other schedules lead to the same. */
  readonly whole: boolean;
}

/** What happened, for people. */
export const story = (turns: readonly Turn[]): string[] =>
  turns.flatMap(({ choices, taken }) => {
    const choice = choices[taken];
    return choice === undefined ? [] : [shown(choice)];
  });

const stepOf = (world: World, turns: readonly Turn[], asleep: readonly Choice[], wanted: number | undefined): Turn => {
  const choices = choicesOf(world);
  const told = story(turns).join(', ');
  if (choices.every(({ kind }) => kind !== 'step')) throw new Error(`they wait for each other after ${told}`);
  const awake = choices.findIndex((choice) => !asleep.some((one) => same(one, choice)));
  const taken = wanted ?? awake;
  if (taken >= choices.length)
    throw new Error(`the schedule does not fit after ${told}: there is only ${choices.map(shown).join(', ')}`);
  return { choices, taken, asleep };
};

/** Those that sleep after a turn: what was tried before it or slept already, and has nothing to do with it. */
const sleepersAfter = ({ choices, taken, asleep }: Turn, choice: Choice, world: World): Choice[] =>
  [...asleep, ...choices.slice(0, taken)].filter((one) => commute(one, choice, world));

/**
 * Lets the actors run to their ends: first as `prefix` says, by number of choice, then always by the first choice that is worth
 * it. Orders of steps that have nothing to do with each other are tried once (sleep sets, after Godefroid).
 *
 * @throws Error when the actors wait for each other, or do not do the same again
 */
export const runSchedule = async (world: World, prefix: readonly number[]): Promise<Run> => {
  const turns: Turn[] = [];
  let asleep: readonly Choice[] = [];
  for (;;) {
    await untilStill(world);
    if (world.actors.every((actor) => actor.over())) return { turns, whole: true };
    const turn = stepOf(world, turns, asleep, prefix[turns.length]);
    const choice = turn.choices[turn.taken];
    const actor = choice === undefined ? undefined : world.actors[choice.actor];
    if (choice === undefined || actor === undefined) {
      for (const one of world.actors) one.die();
      return { turns, whole: false };
    }
    turns.push(turn);
    asleep = sleepersAfter(turn, choice, world);
    await carryOut(actor, choice, world);
  }
};

/** The next schedule in depth-first order; null after the last. @param alike the first actor may as well be any other */
export const nextSchedule = (turns: readonly Turn[], alike: boolean): number[] | null => {
  for (let depth = turns.length - 1; depth >= 0; depth -= 1) {
    const turn = turns[depth];
    if (turn === undefined) continue;
    const next = turn.choices.findIndex(
      (choice, index) =>
        index > turn.taken &&
        !turn.asleep.some((one) => same(one, choice)) &&
        (!alike || depth > 0 || choice.actor === 0),
    );
    if (next > 0) return [...turns.slice(0, depth).map(({ taken }) => taken), next];
  }
  return null;
};
