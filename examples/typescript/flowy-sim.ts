/**
 * An Amazon SWF of its own for each test, in memory and on a virtual clock.
 *
 * One `flowy-sim serve` is started for each test process, or the server that FLOWY_SIM_ENDPOINT names
 * is used. Copy this file into your project.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { SWFClient } from "@aws-sdk/client-swf";

export interface Clock {
  mode: string;
  now: string;
  /** When something happens by itself; null if nothing will. */
  next: string | null;
}

/** The command beside the server prints its address, then reads a pipe until this process ends. */
const BESIDE = 'echo "$AWS_ENDPOINT_URL_SWF"; cat';

let server: Promise<string> | undefined;

async function start(): Promise<string> {
  const process = spawn(
    "flowy-sim",
    ["serve", "--clock", "virtual", "--", "sh", "-c", BESIDE],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  // Neither the server nor its pipes keep the tests from ending; it ends with them.
  process.unref();
  const failed = once(process, "error").then(([error]) => {
    throw new Error(`flowy-sim cannot be started: ${error.message}`);
  });
  const lines = createInterface({ input: process.stdout });
  const [address] = await Promise.race([once(lines, "line"), failed]);
  for (const pipe of [process.stdin, process.stdout]) {
    (pipe as unknown as { unref(): void }).unref();
  }
  return address;
}

export class Simulation {
  private readonly clients: SWFClient[] = [];

  private constructor(
    /** Its address, for clients in other processes (AWS_ENDPOINT_URL_SWF). */
    readonly endpoint: string,
  ) {}

  /** Returns a simulation that no other test sees. */
  static async begin(): Promise<Simulation> {
    const base = process.env.FLOWY_SIM_ENDPOINT ?? (await (server ??= start()));
    const simulation = new Simulation(`${base.replace(/\/$/, "")}/test-${randomUUID()}`);
    await simulation.control("POST", "/reset", { clock: "virtual" });
    return simulation;
  }

  /** Returns a client of the AWS SDK for JavaScript v3. It never calls AWS. */
  client(): SWFClient {
    const client = new SWFClient({
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    this.clients.push(client);
    return client;
  }

  clock(): Promise<Clock> {
    return this.control<Clock>("GET", "/clock");
  }

  /** Lets simulated time pass. */
  advance(seconds: number): Promise<Clock> {
    return this.control<Clock>("POST", "/clock/advance", { seconds });
  }

  /** Waits until nothing moves, for at most so many real seconds; tells whether that was reached. */
  async settle(seconds = 30): Promise<boolean> {
    return (await this.control<{ still: boolean }>("POST", "/settle", { seconds })).still;
  }

  /** Empties the simulation. Polls that wait are answered. */
  async reset(): Promise<void> {
    await this.control("POST", "/reset");
  }

  /** Deletes the simulation and closes its clients. */
  async end(): Promise<void> {
    for (const client of this.clients) client.destroy();
    await this.control("DELETE", "");
  }

  /** Sends a request under /_flowy, which no SWF client uses. */
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
