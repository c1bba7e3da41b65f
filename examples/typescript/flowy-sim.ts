/**
 * Gives each test its own Amazon SWF, in memory and on a virtual clock.
 *
 * All tests of a process share one server: the one at FLOWY_SIM_ENDPOINT if that is set, otherwise a
 * `flowy-sim serve` that ends with the process.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { SWFClient } from "@aws-sdk/client-swf";

export interface Clock {
  mode: string;
  now: string;
  /** The time of the next event; null if none is due. */
  next: string | null;
}

/** An answer of a stub: a result, the reason of a failure, or a time-out. */
export interface Answer {
  result?: unknown;
  error?: string;
  timeout?: "SCHEDULE_TO_START" | "SCHEDULE_TO_CLOSE" | "START_TO_CLOSE" | "HEARTBEAT";
  /** The simulated seconds until the answer. */
  takes?: number;
}

/** What is stubbed, the answer to the first call, and those to further calls. */
export type Stub = Answer & { then?: Answer[] } & (
    | { activity: string; version: string }
    | { workflow: string; version: string }
    | { lambda: string }
  );

/** A call of a stub. */
export interface Call {
  activity?: string;
  workflow?: string;
  lambda?: string;
  input: string | null;
  at: string;
}

// The server ends with the command that it runs. This one prints the address, then reads a pipe that
// the operating system closes when this process ends.
const command = 'echo "$AWS_ENDPOINT_URL_SWF"; cat';

async function startServer(): Promise<string> {
  const server = spawn("flowy-sim", ["serve", "--clock", "virtual", "--", "sh", "-c", command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const failed = Promise.race([
    once(server, "error").then(([error]) => error.message),
    once(server, "exit").then(([code]) => `it exited with status ${code}`),
  ]).then((reason) => {
    throw new Error(`flowy-sim cannot be started; is it on the PATH? ${reason}`);
  });
  const [address] = await Promise.race([
    once(createInterface({ input: server.stdout }), "line"),
    failed,
  ]);
  failed.catch(() => {});
  // The tests can end while the server runs.
  server.unref();
  for (const pipe of [server.stdin, server.stdout]) (pipe as Socket).unref();
  return address;
}

let server: Promise<string> | undefined;

export class Simulation {
  private readonly clients: SWFClient[] = [];

  private constructor(
    /** Its address, for any other client. */
    readonly endpoint: string,
  ) {}

  /** Creates a simulation that no other test uses. */
  static async create(): Promise<Simulation> {
    const address = process.env.FLOWY_SIM_ENDPOINT ?? (await (server ??= startServer()));
    const simulation = new Simulation(`${address.replace(/\/$/, "")}/test-${randomUUID()}`);
    await simulation.control("POST", "/reset", { clock: "virtual" });
    return simulation;
  }

  /** Returns a client of the AWS SDK for JavaScript v3, which is destroyed with the simulation. */
  client(): SWFClient {
    const client = new SWFClient({
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    this.clients.push(client);
    return client;
  }

  /** Returns the simulated time. */
  clock(): Promise<Clock> {
    return this.control<Clock>("GET", "/clock");
  }

  /** Lets simulated time pass. */
  async advance(seconds: number): Promise<void> {
    await this.control("POST", "/clock/advance", { seconds });
  }

  /** Makes a call of Amazon SWF after some simulated time. */
  async after(seconds: number, operation: string, parameters: object): Promise<void> {
    await this.control("POST", "/after", { seconds, operation, parameters });
  }

  /** Adds a stub, or replaces the one of the same type. */
  async stub(stub: Stub): Promise<void> {
    await this.control("POST", "/stubs", stub);
  }

  /** Returns the calls of stubs, the oldest first. */
  async calls(): Promise<Call[]> {
    return (await this.control<{ calls: Call[] }>("GET", "/stubs/calls")).calls;
  }

  /**
   * Waits until nothing will happen any more without a call from outside.
   *
   * @param seconds the real time after which it throws
   */
  async settle(seconds = 30): Promise<void> {
    const { still } = await this.control<{ still: boolean }>("POST", "/settle", { seconds });
    if (!still) throw new Error(`the simulation has not settled after ${seconds} s`);
  }

  /** Deletes everything in the simulation, and answers the waiting polls. */
  async reset(): Promise<void> {
    await this.control("POST", "/reset");
  }

  /** Deletes the simulation and destroys its clients. */
  async delete(): Promise<void> {
    for (const client of this.clients) client.destroy();
    await this.control("DELETE", "");
  }

  /** Sends a request to control the simulation. */
  private async control<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.endpoint}/_flowy${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}: ${text}`);
    return JSON.parse(text) as Answer;
  }
}
