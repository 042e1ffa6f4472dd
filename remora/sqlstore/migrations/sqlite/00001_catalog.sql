-- +goose Up

-- The first schema of the catalog. Times are microseconds since 1970 UTC, written by the program.
-- Ids begin above those of the older site, so that an import can keep its numbers.

CREATE TABLE meta (
  k TEXT NOT NULL PRIMARY KEY,
  v TEXT NOT NULL
);

CREATE TABLE seq (
  id INTEGER NOT NULL PRIMARY KEY,
  n INTEGER NOT NULL,
  audit_id INTEGER NOT NULL,
  audit_sum BLOB NOT NULL
);

CREATE TABLE changes (
  seq INTEGER NOT NULL,
  part INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  activity_id INTEGER NOT NULL,
  version_id INTEGER NOT NULL,
  actor_id INTEGER NOT NULL,
  PRIMARY KEY (seq, part)
) WITHOUT ROWID;

CREATE TABLE activities (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bundle_id TEXT NOT NULL,
  bundle_key TEXT NOT NULL,
  slug TEXT NOT NULL,
  state TEXT NOT NULL,
  listed INTEGER NOT NULL,
  kind TEXT NOT NULL,
  default_locale TEXT NOT NULL,
  license_spdx TEXT NOT NULL,
  license_text TEXT NOT NULL,
  homepage TEXT NOT NULL,
  repository TEXT NOT NULL,
  icon_sha256 BLOB,
  icon_size INTEGER NOT NULL,
  featured_rank INTEGER NOT NULL,
  tags_source TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT activities_bundle_key UNIQUE (bundle_key)
);

CREATE INDEX activities_slug ON activities (slug);

INSERT INTO sqlite_sequence (name, seq) VALUES ('activities', 100000);

CREATE TABLE activity_texts (
  activity_id INTEGER NOT NULL,
  locale TEXT NOT NULL,
  field TEXT NOT NULL,
  source TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (activity_id, locale, field, source),
  FOREIGN KEY (activity_id) REFERENCES activities (id)
) WITHOUT ROWID;

CREATE TABLE versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  file_id INTEGER,
  activity_id INTEGER NOT NULL,
  number TEXT NOT NULL,
  number_key BLOB NOT NULL,
  state TEXT NOT NULL,
  channel TEXT NOT NULL,
  sugar_min TEXT NOT NULL,
  sugar_max TEXT NOT NULL,
  sugar_min_key BLOB NOT NULL,
  sugar_max_key BLOB NOT NULL,
  range_source TEXT NOT NULL,
  interpreter TEXT NOT NULL,
  archs TEXT NOT NULL,
  filename TEXT NOT NULL,
  size INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  uploader_id INTEGER NOT NULL,
  linked INTEGER NOT NULL,
  link_since INTEGER NOT NULL,
  submitted INTEGER NOT NULL,
  decided INTEGER NOT NULL,
  published INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT versions_file_id UNIQUE (file_id),
  CONSTRAINT versions_number UNIQUE (activity_id, number),
  CONSTRAINT versions_filename UNIQUE (activity_id, filename),
  FOREIGN KEY (activity_id) REFERENCES activities (id)
);

CREATE INDEX versions_sha256 ON versions (sha256);

CREATE INDEX versions_linked ON versions (linked, state);

INSERT INTO sqlite_sequence (name, seq) VALUES ('versions', 1000000);

CREATE TABLE version_texts (
  version_id INTEGER NOT NULL,
  locale TEXT NOT NULL,
  notes TEXT NOT NULL,
  PRIMARY KEY (version_id, locale),
  FOREIGN KEY (version_id) REFERENCES versions (id)
) WITHOUT ROWID;

CREATE TABLE version_reports (
  version_id INTEGER NOT NULL PRIMARY KEY,
  report BLOB NOT NULL,
  FOREIGN KEY (version_id) REFERENCES versions (id)
);

CREATE TABLE blobs (
  sha256 BLOB NOT NULL,
  size INTEGER NOT NULL,
  media TEXT NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (sha256)
) WITHOUT ROWID;

CREATE INDEX blobs_state ON blobs (state, since);

CREATE TABLE categories (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  slug TEXT NOT NULL,
  position INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT categories_slug UNIQUE (slug)
);

INSERT INTO sqlite_sequence (name, seq) VALUES ('categories', 999);

CREATE TABLE category_texts (
  category_id INTEGER NOT NULL,
  locale TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (category_id, locale),
  FOREIGN KEY (category_id) REFERENCES categories (id)
) WITHOUT ROWID;

CREATE TABLE activity_categories (
  activity_id INTEGER NOT NULL,
  category_id INTEGER NOT NULL,
  PRIMARY KEY (activity_id, category_id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (category_id) REFERENCES categories (id)
) WITHOUT ROWID;

CREATE INDEX activity_categories_category ON activity_categories (category_id);

CREATE TABLE tags (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  blocked INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT tags_name UNIQUE (name)
);

CREATE TABLE activity_tags (
  activity_id INTEGER NOT NULL,
  tag_id INTEGER NOT NULL,
  PRIMARY KEY (activity_id, tag_id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (tag_id) REFERENCES tags (id)
) WITHOUT ROWID;

CREATE INDEX activity_tags_tag ON activity_tags (tag_id);

CREATE TABLE previews (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  activity_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  media TEXT NOT NULL,
  size INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  caption TEXT NOT NULL,
  created INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  FOREIGN KEY (activity_id) REFERENCES activities (id)
);

CREATE INDEX previews_activity ON previews (activity_id, position);

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  state TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT users_name UNIQUE (name)
);

INSERT INTO sqlite_sequence (name, seq) VALUES ('users', 100000);

CREATE TABLE activity_people (
  activity_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  role TEXT NOT NULL,
  listed INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (activity_id, user_id, role),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
) WITHOUT ROWID;

CREATE INDEX activity_people_user ON activity_people (user_id);

CREATE TABLE collections (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL,
  nickname TEXT NOT NULL,
  listed INTEGER NOT NULL,
  owner_id INTEGER NOT NULL,
  default_locale TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  CONSTRAINT collections_uuid UNIQUE (uuid),
  CONSTRAINT collections_nickname UNIQUE (nickname)
);

INSERT INTO sqlite_sequence (name, seq) VALUES ('collections', 100000);

CREATE TABLE collection_texts (
  collection_id INTEGER NOT NULL,
  locale TEXT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (collection_id, locale, field),
  FOREIGN KEY (collection_id) REFERENCES collections (id)
) WITHOUT ROWID;

CREATE TABLE collection_items (
  collection_id INTEGER NOT NULL,
  activity_id INTEGER NOT NULL,
  version_id INTEGER,
  optional INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (collection_id, activity_id),
  FOREIGN KEY (collection_id) REFERENCES collections (id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (version_id) REFERENCES versions (id)
) WITHOUT ROWID;

CREATE INDEX collection_items_activity ON collection_items (activity_id);

CREATE INDEX collection_items_version ON collection_items (version_id);

CREATE TABLE audit (
  id INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  actor_id INTEGER NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  data TEXT NOT NULL,
  sum BLOB NOT NULL
);

CREATE TABLE downloads (
  day TEXT NOT NULL,
  version_id INTEGER NOT NULL,
  source TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (day, version_id, source)
) WITHOUT ROWID;

CREATE INDEX downloads_version ON downloads (version_id);

CREATE TABLE leases (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  until_at INTEGER NOT NULL,
  fence INTEGER NOT NULL
);

INSERT INTO meta (k, v) VALUES ('write_mode', 'normal'), ('pruned', '0');

INSERT INTO seq (id, n, audit_id, audit_sum) VALUES (1, 0, 0, x'');

INSERT INTO users (id, name, display_name, state, created, updated, rev) VALUES (1, 'system', 'System', 'active', 0, 0, 1);

INSERT INTO categories (id, slug, position, rev) VALUES
  (100, 'games', 1, 1),
  (101, 'drawing', 2, 1),
  (102, 'maths-science', 3, 1),
  (103, 'communication', 4, 1),
  (104, 'art', 5, 1),
  (105, 'reading-writing', 6, 1),
  (106, 'music', 7, 1),
  (107, 'tools', 8, 1);

INSERT INTO category_texts (category_id, locale, name) VALUES
  (100, 'ar', 'ألعاب'),
  (100, 'en', 'Games'),
  (100, 'es', 'Juegos'),
  (100, 'fr', 'Jeux'),
  (101, 'ar', 'الرسم'),
  (101, 'en', 'Drawing'),
  (101, 'es', 'Dibujo'),
  (101, 'fr', 'Dessin'),
  (102, 'ar', 'الرياضيات والعلوم'),
  (102, 'en', 'Maths & Science'),
  (102, 'es', 'Matemáticas y ciencias'),
  (102, 'fr', 'Maths et sciences'),
  (103, 'ar', 'التواصل'),
  (103, 'en', 'Communication'),
  (103, 'es', 'Comunicación'),
  (103, 'fr', 'Communication'),
  (104, 'ar', 'الفن'),
  (104, 'en', 'Art'),
  (104, 'es', 'Arte'),
  (104, 'fr', 'Art'),
  (105, 'ar', 'القراءة والكتابة'),
  (105, 'en', 'Reading & Writing'),
  (105, 'es', 'Lectura y escritura'),
  (105, 'fr', 'Lecture et écriture'),
  (106, 'ar', 'الموسيقى'),
  (106, 'en', 'Music'),
  (106, 'es', 'Música'),
  (106, 'fr', 'Musique'),
  (107, 'ar', 'الأدوات'),
  (107, 'en', 'Tools'),
  (107, 'es', 'Herramientas'),
  (107, 'fr', 'Outils');
