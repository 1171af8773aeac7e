-- About 107,000 rows, the same to the byte each time: arithmetic on counters, no random(), no clock.
-- 15 categories, 3,000 products, 1,500 customers with 12 orders each, four items to an order on average.
-- A prime times a counter, modulo the size of a table, visits its rows in an order that looks like chance.

INSERT INTO categories (id, slug, name)
SELECT number, lower(name), name
FROM unnest(ARRAY[
    'Chairs', 'Tables', 'Beds', 'Lamps', 'Shelves', 'Carpets', 'Kitchen', 'Bath',
    'Garden', 'Office', 'Toys', 'Bags', 'Clocks', 'Frames', 'Candles'
]) WITH ORDINALITY AS listed (name, number);

-- 10 qualities x 10 materials x 30 things, two things to a category.
INSERT INTO products (id, category_id, name, description, price_cents)
SELECT number,
       (number - 1) % 15 + 1,
       initcap(quality || ' ' || material || ' ' || thing),
       format('A %s %s made of %s, %s by hand in %s. Care: %s. Delivered within %s days.',
              quality, thing, material,
              (ARRAY['finished', 'assembled', 'painted', 'polished'])[number % 4 + 1],
              (ARRAY['Porto', 'Turku', 'Ghent', 'Graz', 'Lyon', 'Cork', 'Gdansk'])[number % 7 + 1],
              (ARRAY['wipe with a damp cloth', 'keep out of the sun', 'oil once a year'])[number % 3 + 1],
              number % 9 + 2),
       990 + (number * 7919) % 40000
FROM generate_series(1, 3000) AS number,
     LATERAL (SELECT (ARRAY['plain', 'folding', 'large', 'small', 'slender', 'sturdy', 'vintage', 'modern', 'round',
                            'striped'])[(number - 1) / 300 + 1] AS quality,
                     (ARRAY['oak', 'walnut', 'birch', 'steel', 'brass', 'linen', 'wool', 'bamboo', 'glass',
                            'leather'])[(number - 1) / 30 % 10 + 1] AS material,
                     (ARRAY['chair', 'desk', 'bed', 'lamp', 'shelf', 'rug', 'bowl', 'mirror', 'bench', 'tray', 'puzzle',
                            'satchel', 'clock', 'frame', 'candle', 'stool', 'table', 'cradle', 'lantern', 'bookcase',
                            'mat', 'jug', 'basket', 'planter', 'organiser', 'kite', 'backpack', 'alarm', 'easel',
                            'holder'])[(number - 1) % 30 + 1] AS thing) AS words;

-- Enough that no load sells out.
INSERT INTO stock (product_id, quantity)
SELECT id, 20000 + (id * 1009) % 5000
FROM products
ORDER BY id;

INSERT INTO customers (id, name, email, joined_at)
SELECT number,
       (ARRAY['Ada', 'Bela', 'Carl', 'Dora', 'Edit', 'Finn', 'Gita', 'Hugo', 'Ines', 'Jana', 'Kaj', 'Lena',
              'Marc'])[number % 13 + 1] || ' ' ||
       (ARRAY['Moreau', 'Novak', 'Olsen', 'Peeters', 'Quinn', 'Rossi', 'Silva', 'Toth', 'Weber', 'Young',
              'Zeman'])[number % 11 + 1],
       format('customer%s@example.com', number),
       timestamptz '2024-01-01 00:00:00+00' + number * interval '97 minutes'
FROM generate_series(1, 1500) AS number;

INSERT INTO reviews (id, product_id, customer_id, stars, body, written_at)
SELECT number,
       (number * 2909::bigint) % 3000 + 1,
       (number * 977) % 1500 + 1,
       5 - (number * 31) % 11 / 3,
       (ARRAY['Exactly as shown.', 'Sturdier than it looks.', 'Arrived late but well packed.', 'Would buy it again.',
              'Smaller than I thought.', 'The colour is a little off.', 'A present, and it was liked.'])[number % 7 + 1],
       timestamptz '2025-01-01 00:00:00+00' + number * interval '41 minutes'
FROM generate_series(1, 9000) AS number;

-- Each customer ordered once in every 1,500 orders: twelve orders apiece, far apart in the table as in a real one.
WITH lines AS (
    SELECT number AS order_id,
           (number * 7919::bigint) % 1500 + 1 AS customer_id,
           timestamptz '2025-01-01 00:00:00+00' + number * interval '29 minutes' AS placed_at,
           products.id AS product_id,
           products.name AS product_name,
           products.price_cents,
           line % 3 + 1 AS quantity
    FROM generate_series(1, 18000) AS number,
         generate_series(1, 2 + (number * 31) % 5) AS line,
         products
    WHERE products.id = (number * 271::bigint + line * 613) % 3000 + 1
),
placed AS (
    INSERT INTO orders (id, customer_id, placed_at, status, total_cents)
    SELECT order_id,
           customer_id,
           placed_at,
           CASE WHEN order_id > 17900 THEN 'placed' WHEN order_id > 17500 THEN 'shipped' ELSE 'delivered' END,
           sum(price_cents * quantity)
    FROM lines
    GROUP BY order_id, customer_id, placed_at
    ORDER BY order_id
)
INSERT INTO order_items (order_id, product_id, product_name, price_cents, quantity)
SELECT order_id, product_id, product_name, price_cents, quantity
FROM lines
ORDER BY order_id, product_id;

SELECT setval('orders_id_seq', 18000);

-- Baskets left behind by every fifth customer.
INSERT INTO basket_items (customer_id, product_id, quantity)
SELECT customers.id, (customers.id * 389 + line * 1511) % 3000 + 1, line
FROM customers,
     generate_series(1, 2) AS line
WHERE customers.id % 5 = 0
ORDER BY customers.id, line;
