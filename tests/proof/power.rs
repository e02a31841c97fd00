//! The power goes at any moment of a command: what was synced is there, what was not may be lost, page by page and
//! name by name, in any combination.

use std::fs;

use crate::disk::{Disk, Model, Survivors};
use crate::scenes::{Stage, scenes};
use crate::{chance, times};

#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    let mut numbers = chance();
    for scene in scenes() {
        let stage = Stage::new(scene);
        let disk = Disk::new();
        let folder = stage.folder();
        let root = folder.path("barn");
        let before = Model::of(&root);
        let mut command = stage.command(&folder);
        disk.record(&mut command, &root);
        folder.run(command, None).ok();
        let changes = disk.recorded();
        let cuts = times(6, 300);
        for cut in 0..cuts {
            // The last ones behind the end, where all that was said to be done must be there.
            let is_over = cut + 2 >= cuts;
            let moment = if is_over { changes.len() as u64 } else { numbers.below(changes.len() as u64) };
            let survivors = [Survivors::None, Survivors::Some, Survivors::All, Survivors::Some]
                [usize::try_from(cut % 4).unwrap()];
            eprintln!("{}: {survivors:?} of {moment} of {}", scene.name, changes.len());
            let mut model = before.clone();
            changes[..usize::try_from(moment).unwrap()].iter().for_each(|change| model.apply(change));
            let behind = stage.folder();
            drop(fs::remove_dir_all(behind.path("barn")));
            model.cut(&root, &behind.path("barn"), survivors, &mut numbers);
            if is_over {
                stage.check_done(&behind);
            }
            stage.check(&behind);
        }
    }
}
