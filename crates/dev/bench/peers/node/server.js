// The original's routes in Node and Express: a peer in `cargo xtask bench`. Like the original, it
// responds to a submission before anything is stored. It reads PORT, REDIS_URL and the PG…
// variables.
import express from "express";
import pg from "pg";
import { createClient } from "redis";

const postgres = new pg.Pool();
await postgres.query("CREATE TABLE IF NOT EXISTS values (number INT)");
const redis = createClient({ url: process.env.REDIS_URL });
await redis.connect();

const app = express();
app.use(express.json());

app.get("/", (_, response) => response.send("Hi"));

app.get("/values/all", async (_, response) => {
  const { rows } = await postgres.query("SELECT * FROM values");
  response.send(rows);
});

app.get("/values/current", async (_, response) => {
  response.send(await redis.hGetAll("values"));
});

app.post("/values", (request, response) => {
  const index = request.body.index;
  if (parseInt(index) > 40) return response.status(422).send("Index too high");
  redis.hSet("values", index, "Nothing yet!");
  redis.publish("insert", index);
  postgres.query("INSERT INTO values(number) VALUES($1)", [index]);
  response.send({ working: true });
});

app.listen(process.env.PORT, "127.0.0.1");
