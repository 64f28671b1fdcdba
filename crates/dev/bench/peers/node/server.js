// The original's routes in Node and Express: the peer of `cargo xtask bench`. As the original does, it answers a
// submission before anything is stored. PORT, REDIS_URL and the PG… variables say where everything is.
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
